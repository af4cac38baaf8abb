/** The pages of npm's API that Verdaccio lacks, just enough for real clients: put in front of it by features-upstream.ts. */
import { randomUUID } from 'node:crypto'
import { bodyOf, type UpstreamCall, type WholeUpstream } from './features-upstream.ts'

/** A package with an advisory against all versions before 1.1.0. */
export const VULNERABLE = 'fx-vulnerable'

const ADVISORY = {
  id: 1001,
  url: 'https://advisories.example/1001',
  title: 'Fixture flaw',
  severity: 'high',
  vulnerable_versions: '<1.1.0',
  cwe: ['CWE-1'],
  cvss: { score: 7.5, vectorString: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H' },
}

/** Advisories, in both forms that clients ask for. */
export function addAdvisories({ pages }: WholeUpstream): void {
  pages.set('/-/npm/v1/security/advisories/bulk', (call) => {
    const asked = bodyOf(call) as Record<string, string[]>
    return { json: VULNERABLE in asked ? { [VULNERABLE]: [ADVISORY] } : {} }
  })
  const old = (call: UpstreamCall) => ({ json: oldReport(JSON.stringify(bodyOf(call))) })
  pages.set('/-/npm/v1/security/audits', old)
  pages.set('/-/npm/v1/security/audits/quick', old)
}

/** What npm answered before there was the bulk form; Yarn 1 and pnpm 10 still ask for it. */
function oldReport(asked: string): object {
  const isHit = asked.includes(`"${VULNERABLE}"`)
  const finding = {
    version: '1.0.0',
    paths: [VULNERABLE],
    dev: false,
    optional: false,
    bundled: false,
  }
  const advisory = {
    ...ADVISORY,
    module_name: VULNERABLE,
    findings: [finding],
    patched_versions: '>=1.1.0',
    cves: [],
    cwe: 'CWE-1',
    access: 'public',
    overview: 'A flaw.',
    recommendation: 'Update.',
    references: '',
    found_by: { name: 'fixture' },
    reported_by: { name: 'fixture' },
    created: '2026-01-01T00:00:00.000Z',
    updated: '2026-01-01T00:00:00.000Z',
    deleted: null,
    metadata: {},
    github_advisory_id: 'GHSA-fixt-ures-only',
  }
  const resolves = [
    { id: ADVISORY.id, path: VULNERABLE, dev: false, optional: false, bundled: false },
  ]
  const action = { action: 'update', module: VULNERABLE, target: '1.1.0', depth: 1, resolves }
  const counts = { info: 0, low: 0, moderate: 0, high: isHit ? 1 : 0, critical: 0 }
  return {
    actions: isHit ? [action] : [],
    advisories: isHit ? { [ADVISORY.id]: advisory } : {},
    muted: [],
    metadata: {
      vulnerabilities: counts,
      ...{ dependencies: 1, devDependencies: 0, optionalDependencies: 0, totalDependencies: 1 },
    },
  }
}

/** Visibility, collaborators and owners of a package; what was set is noted. */
export function addAccess({ pages }: WholeUpstream, name: string): { changes: unknown[] } {
  const changes: unknown[] = []
  const note = (call: UpstreamCall) => {
    if (call.headers.authorization === undefined) return { status: 401, json: { error: 'who?' } }
    changes.push(bodyOf(call))
    return { json: {} }
  }
  pages.set(`/-/package/${name}/visibility`, () => ({ json: { public: true } }))
  pages.set(`/-/package/${name}/access`, note)
  pages.set(`/-/package/${name}/collaborators`, () => ({ json: { alice: 'write', bob: 'read' } }))
  pages.set('/-/user/org.couchdb.user:bob', ({ method }) =>
    method === 'GET' ? { json: { name: 'bob', email: 'bob@example.com' } } : undefined,
  )
  pages.set(`/${name}/-rev/*`, (call) => {
    const { maintainers, versions } = (bodyOf(call) ?? {}) as Record<string, unknown>
    return maintainers === undefined || versions !== undefined ? undefined : note(call)
  })
  return { changes }
}

/** An organisation and its teams, for who may ask as `token`. */
export function addOrganisation({ pages }: WholeUpstream, org: string, token: string): void {
  const shown = (json: unknown) => (call: UpstreamCall) =>
    call.headers.authorization === `Bearer ${token}`
      ? { json }
      : { status: 403, json: { error: 'not a member' } }
  pages.set(`/-/org/${org}/user`, shown({ alice: 'owner', bob: 'developer' }))
  pages.set(`/-/org/${org}/team`, shown([`${org}:developers`, `${org}:web`]))
  pages.set(`/-/team/${org}/web/user`, shown(['bob', 'dora']))
}

/** Gives `token` to who comes with `idToken`, as a CI does that is trusted to publish `name`. */
export function addTokenExchange(
  { pages }: WholeUpstream,
  name: string,
  { idToken, token }: { idToken: string; token: string },
): void {
  pages.set(`/-/npm/v1/oidc/token/exchange/package/${name}`, ({ method, headers }) =>
    method === 'POST' && headers.authorization === `Bearer ${idToken}`
      ? { status: 201, json: { token } }
      : { status: 401, json: { message: 'who?' } },
  )
}

/** Staged publishing: what was staged is published, in its owner's name, once it is approved. */
export function addStaging({ pages, url }: WholeUpstream, name: string): void {
  const id = randomUUID()
  let staged: UpstreamCall | undefined
  const item = () => {
    const { versions = {} } = (staged ? bodyOf(staged) : {}) as { versions?: object }
    const [version] = Object.keys(versions)
    return { id, packageName: name, version, tag: 'latest', createdAt: '2026-11-22T00:00:00.000Z' }
  }
  pages.set(`/-/stage/package/${name}`, (call) => {
    staged = call
    return { status: 201, json: { stageId: id } }
  })
  pages.set('/-/stage', () => ({ json: { items: staged ? [item()] : [], total: staged ? 1 : 0 } }))
  pages.set(`/-/stage/${id}`, () => ({ json: item() }))
  pages.set(`/-/stage/${id}/approve`, async () => {
    if (staged === undefined) return { status: 404, json: { error: 'nothing staged' } }
    const { authorization = '' } = staged.headers
    const headers = { authorization, 'content-type': 'application/json' }
    const body = JSON.stringify(bodyOf(staged))
    const path = `/${name.replace('/', '%2f')}`
    const { status } = await fetch(url + path, { method: 'PUT', headers, body })
    return { status: status === 201 ? 200 : 500, json: {} }
  })
}

export function stageIdIn(output: string): string {
  return /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(output)?.[0] ?? 'none'
}
