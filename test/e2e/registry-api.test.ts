/**
 * The rest of the registry API with the real npm 10, 11 and 12 through a gateway: accounts, publishing and what follows it,
 * against a real Verdaccio (and pages for what that lacks); signatures; and what npm prints when there is no registry at all.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseDigest, type CatalogNode } from '@catalog-p2p/core'
import { createGateway, npmConfigFrom, type Gateway } from '@catalog-p2p/gateway'
import {
  createWorkspace,
  runClient,
  type Answers,
  type ClientResult,
  type Workspace,
} from '../support/client.ts'
import { tagsOf, type ClientName } from '../support/clients.ts'
import { eventually } from '../support/daemon.ts'
import {
  addAccess,
  addAdvisories,
  addOrganisation,
  addStaging,
  addTokenExchange,
  stageIdIn,
  VULNERABLE,
} from '../support/features/features-pages.ts'
import {
  asIfInstalled,
  badlySigned,
  createRegistrySigner,
  npmSigned,
  signedPackument,
  type SignedVersion,
} from '../support/features/features-signatures.ts'
import { createTransparencyLog } from '../support/features/features-attestation.ts'
import { startTufRepository, type TufRepository } from '../support/features/features-tuf.ts'
import {
  pathOf,
  startWholeUpstream,
  type WholeUpstream,
} from '../support/features/features-upstream.ts'
import { startPlainVerdaccio } from '../support/features/features-verdaccio.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { quietNode, startMachine, type Machine } from '../support/machines/machine.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'
import type { Verdaccio } from '../support/registries/verdaccio.ts'

const NPMS: readonly ClientName[] = ['npm-10', 'npm-11', 'npm-12']
const PASSWORD = 'a password for tests'

let workspace: Workspace
let registry: LoopbackRegistry
let verdaccio: Verdaccio
let upstream: WholeUpstream
let machine: Machine

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages: [makePackage(VULNERABLE, '1.0.0')], tarballs: 'self' })
  const folder = await workspace.folder('verdaccio')
  verdaccio = await startPlainVerdaccio({ folder, uplink: registry.url })
  upstream = await startWholeUpstream(verdaccio.url)
  addAdvisories(upstream)
  machine = await startMachine({ upstream: upstream.url })
})

afterAll(async () => {
  await machine[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
  await verdaccio[Symbol.asyncDispose]()
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

/** A home with an .npmrc that npm may write to, and a folder to be in. */
interface Person {
  readonly home: string
  readonly cwd: string
  readonly rc: string
  npm(
    args: readonly string[],
    more?: { answers?: Answers; registry?: string },
  ): Promise<ClientResult>
  /** Throws with npm's own words unless it succeeds. */
  must(args: readonly string[], more?: { answers?: Answers }): Promise<string>
}

async function person(client: ClientName, url = machine.url): Promise<Person> {
  const home = await workspace.folder('home')
  const cwd = await workspace.folder('package')
  const rc = join(home, 'own.npmrc')
  await writeFile(rc, `registry=${url}/\nfund=false\n`)
  const env = { npm_config_userconfig: rc }
  const npm: Person['npm'] = (args, more = {}) =>
    runClient(client, args, { cwd, home, registry: url, env, ...more })
  return {
    ...{ home, cwd, rc, npm },
    async must(args, more) {
      const { exitCode, output } = await npm(args, more)
      if (exitCode !== 0) throw new Error(`${client} ${args.join(' ')}: ${exitCode}\n${output}`)
      return output
    },
  }
}

async function describePackage(cwd: string, name: string, version: string): Promise<void> {
  const manifest = { name, version, description: `made for ${name}`, license: 'MIT' }
  await writeFile(join(cwd, 'package.json'), JSON.stringify(manifest))
}

/** What npm shows of a package, asked anew. */
async function view(who: Person, spec: string): Promise<Record<string, unknown>> {
  const shown: unknown = JSON.parse(await who.must(['view', spec, '--json']))
  // npm 12 has a list of them.
  return (Array.isArray(shown) ? shown[0] : shown) as Record<string, unknown>
}

// npm 11 asks as npm 12 does; both are in the audits below.
for (const npm of ['npm-10', 'npm-12'] as const) {
  describe(npm, { tags: tagsOf(npm) }, () => suiteOf(npm))
}

function suiteOf(client: ClientName): void {
  const name = `@fx-own/${client}`
  let alice: Person
  beforeAll(async () => void (alice = await person(client)))
  beforeEach(() => upstream.forget())

  test('logs in the old way, and is somebody', async () => {
    expect((await alice.npm(['whoami'])).output).toContain('ENEEDAUTH')
    const answers: Answers = [
      ['Username:', `alice-${client}`],
      ['Password:', PASSWORD],
    ]
    await alice.must(['login', '--auth-type=legacy'], { answers })
    expect(await readFile(alice.rc, 'utf8')).toContain(`//127.0.0.1:${machine.port}/:_authToken`)
    expect(await alice.must(['whoami'])).toContain(`alice-${client}`)
    expect(await alice.must(['ping'])).toContain('PONG')
  })

  test('publishes, tags, deprecates; each is seen at once', async () => {
    await describePackage(alice.cwd, name, '1.0.0')
    await alice.must(['publish', '--access=public'])
    expect(await view(alice, name)).toMatchObject({ 'dist-tags': { latest: '1.0.0' } })
    await describePackage(alice.cwd, name, '1.1.0')
    await alice.must(['publish', '--access=public'])
    expect((await view(alice, name)).versions).toEqual(['1.0.0', '1.1.0'])

    await alice.must(['dist-tag', 'add', `${name}@1.0.0`, 'stable'])
    expect(await alice.must(['dist-tag', 'ls', name])).toContain('stable: 1.0.0')
    expect(await view(alice, name)).toMatchObject({ 'dist-tags': { stable: '1.0.0' } })
    await alice.must(['dist-tag', 'rm', name, 'stable'])
    expect((await view(alice, name))['dist-tags']).toEqual({ latest: '1.1.0' })

    await alice.must(['deprecate', `${name}@1.0.0`, 'use 1.1.0'])
    expect(await view(alice, `${name}@1.0.0`)).toMatchObject({ deprecated: 'use 1.1.0' })

    // Somebody else who is nobody may not.
    const bob = await person(client)
    await describePackage(bob.cwd, name, '6.6.6')
    expect((await bob.npm(['publish'])).output).toContain('ENEEDAUTH')
    await writeFile(
      bob.rc,
      `registry=${machine.url}/\n//127.0.0.1:${machine.port}/:_authToken=no\n`,
    )
    const refused = await bob.npm(['publish'])
    expect(refused.output).toMatch(/code E40[13]/)
    expect(Object.keys((await view(alice, name)).versions as object)).toHaveLength(2)
  })

  test('what it published is not in this node by that, and is public once anyone may have it', async () => {
    const manifest = await view(alice, `${name}@1.1.0`)
    const { integrity } = manifest.dist as { integrity: string }
    const entry = (): { visibility: string } | undefined =>
      machine.node.entry(parseDigest(integrity))
    expect(entry()).toBeUndefined()
    const project = await workspace.folder('project')
    await writeFile(join(project, 'package.json'), '{"name":"project","version":"1.0.0"}')
    const env = { npm_config_userconfig: alice.rc }
    const run = { cwd: project, home: await workspace.folder('home'), registry: machine.url, env }
    const installed = await runClient(client, ['install', name], run)
    expect(installed.output).toContain('added 1 package')
    expect(entry()?.visibility).toBe('public')
  })

  test('keeps what only it may see from everyone else', async () => {
    const secret = `@fx-private/${client}`
    await describePackage(alice.cwd, secret, '1.0.0')
    await alice.must(['publish', '--access=restricted'])
    const { dist } = await view(alice, secret)
    const project = await workspace.folder('project')
    await writeFile(join(project, 'package.json'), '{"name":"project","version":"1.0.0"}')
    const env = { npm_config_userconfig: alice.rc }
    const run = { cwd: project, home: await workspace.folder('home'), registry: machine.url, env }
    expect((await runClient(client, ['install', secret], run)).exitCode).toBe(0)
    const { integrity } = dist as { integrity: string }
    expect(machine.node.entry(parseDigest(integrity))?.visibility).toBe('private')
    const nobody = await person(client)
    expect((await nobody.npm(['view', secret])).exitCode).not.toBe(0)
    const tarball = `${machine.url}/${secret}/-/${client}-1.0.0.tgz`
    // In upstream's own words.
    expect((await fetch(tarball, { headers: { 'pacote-integrity': integrity } })).status).toBe(401)
  })

  test('searches, and looks after its account', async () => {
    expect(await alice.must(['search', name, '--json'])).toContain(name)
    expect(await alice.must(['profile', 'get', '--json'])).toContain(`alice-${client}`)
    const answers: Answers = [['assword', PASSWORD]]
    await alice.must(['token', 'create', '--name=ci'], { answers })
    const tokens = JSON.parse(await alice.must(['token', 'list', '--json'])) as { key: string }[]
    expect(tokens).toHaveLength(1)
    await alice.must(['token', 'revoke', tokens[0]?.key ?? ''])
    expect(JSON.parse(await alice.must(['token', 'list', '--json']))).toEqual([])
  })

  test('stars', async ({ skip }) => {
    if (client === 'npm-12') skip('npm 12 has no star any more')
    await alice.must(['star', name])
    expect(await alice.must(['stars', `alice-${client}`])).toContain(name)
    await alice.must(['unstar', name])
  })

  test('asks and sets who may do what, in its own name', async () => {
    const { changes } = addAccess(upstream, name)
    expect(await alice.must(['access', 'get', 'status', name])).toContain('public')
    expect(await alice.must(['access', 'list', 'collaborators', name])).toContain(
      'alice: read-write',
    )
    await alice.must(['access', 'set', 'status=private', name])
    await alice.must(['owner', 'add', 'bob', name])
    expect(changes).toMatchObject([
      { access: 'restricted' },
      { maintainers: [{ name: 'bob', email: 'bob@example.com' }] },
    ])
  })

  test('lists an organisation and its teams, in its own name', async () => {
    const org = `org-of-${client}`
    const token = /_authToken=(.+)/.exec(await readFile(alice.rc, 'utf8'))?.[1]?.trim() ?? 'none'
    addOrganisation(upstream, org, token)
    expect(JSON.parse(await alice.must(['org', 'ls', org, '--json']))).toEqual({
      ...{ alice: 'owner', bob: 'developer' },
    })
    expect(await alice.must(['team', 'ls', `@${org}`])).toContain(`@${org}:web`)
    expect(await alice.must(['team', 'ls', `@${org}:web`, '--parseable'])).toMatch(/bob\s+dora/)
    const asked = upstream.calls.filter((call) => /^\/-\/(org|team)\//.test(pathOf(call)))
    expect(asked.map(({ headers }) => headers.authorization)).toEqual(
      Array.from({ length: 3 }, () => `Bearer ${token}`),
    )

    const nobody = await person(client)
    upstream.forget()
    const { exitCode, output } = await nobody.npm(['org', 'ls', org])
    expect([exitCode, output]).toEqual([1, expect.stringContaining('not a member')])
    expect(upstream.asked()).toContain(`GET /-/org/${org}/user`)
  })

  test('publishes with a token that a CI was given for its own', async ({ skip }) => {
    if (client === 'npm-10') skip('npm 10 exchanges no tokens')
    const fromCi = `@fx-ci/${client}`
    const cwd = await workspace.folder('package')
    await describePackage(cwd, fromCi, '1.0.0')
    const claims = Buffer.from('{"project_visibility":"private"}').toString('base64')
    const granted = { idToken: `head.${claims}.signature`, token: await tokenOf(`ci-${client}`) }
    addTokenExchange(upstream, fromCi, granted)
    const home = await workspace.folder('home')
    const env = { GITLAB_CI: 'true', CI: 'true', NPM_ID_TOKEN: granted.idToken }
    const run = { cwd, home, registry: machine.url, env }

    const { exitCode, output } = await runClient(client, ['publish', '--access=public'], run)

    expect(exitCode, output).toBe(0)
    const carried = upstream.calls.filter(({ headers }) => headers.authorization !== undefined)
    expect(carried.map((call) => `${call.method} ${call.headers.authorization}`)).toEqual(
      expect.arrayContaining([`POST Bearer ${granted.idToken}`, `PUT Bearer ${granted.token}`]),
    )
    expect(await view(await person(client), fromCi)).toMatchObject({ version: '1.0.0' })
  })

  test('stages a version, and sees it once it is approved', async ({ skip }) => {
    if (client === 'npm-10') skip('npm 10 knows no staged publishing')
    addStaging(upstream, name)
    await describePackage(alice.cwd, name, '2.0.0')
    const id = stageIdIn(await alice.must(['stage', 'publish', '--access=public']))
    expect(await alice.must(['stage', 'list'])).toContain('2.0.0')
    expect((await view(alice, name))['dist-tags']).toEqual({ latest: '1.1.0' })
    await alice.must(['stage', 'approve', id])
    expect((await view(alice, name))['dist-tags']).toEqual({ latest: '2.0.0' })
    await alice.must(['unpublish', `${name}@2.0.0`])
  })

  test('unpublishes one version, then all', async () => {
    await alice.must(['unpublish', `${name}@1.0.0`])
    expect((await view(alice, name)).versions).toEqual(['1.1.0'])
    const tarball = `${machine.url}/${name}/-/${client}-1.0.0.tgz`
    expect((await fetch(tarball)).status).toBe(404)
    await alice.must(['unpublish', name, '--force'])
    expect((await alice.npm(['view', name])).output).toContain('E404')
  })

  test('logs in in a browser, waiting through the gateway', async () => {
    const carol = await person(client)
    const token = await tokenOf(`carol-${client}`)
    const login = carol.must(['login', '--auth-type=web'])
    // Somebody opens the page.
    await eventually(async () => {
      if (!upstream.asked().includes('POST /-/v1/login')) throw new Error('no login yet')
    }, 20_000)
    upstream.logInAs(token)
    expect(await login).toContain(`${upstream.url}/login/`)
    expect(await carol.must(['whoami'])).toContain(`carol-${client}`)
    const polls = upstream.calls.filter((call) => pathOf(call).startsWith('/-/v1/done/'))
    expect(polls.length).toBeGreaterThan(0)
    expect(polls.every(({ headers }) => headers.via?.includes('catalog-'))).toBe(true)
  })

  test('logs out', async () => {
    await alice.must(['logout'])
    expect(upstream.asked()[0]).toMatch(/^DELETE \/-\/user\/token\//)
    expect((await alice.npm(['whoami'])).output).toContain('ENEEDAUTH')
  })
}

async function tokenOf(user: string): Promise<string> {
  const response = await fetch(`${verdaccio.url}/-/user/org.couchdb.user:${user}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: user, password: PASSWORD }),
  })
  return ((await response.json()) as { token: string }).token
}

for (const client of [...NPMS, 'pnpm-11', 'pnpm-12'] as const) {
  describe(`audit signatures with ${client}`, { tags: tagsOf(client) }, () => auditSuiteOf(client))
}

function auditSuiteOf(client: ClientName): void {
  const log = createTransparencyLog()
  const signer = createRegistrySigner()
  let tuf: TufRepository
  let front: WholeUpstream
  let behind: Machine
  beforeAll(async () => {
    tuf = await startTufRepository({ 'trusted_root.json': log.trustedRoot })
    front = await startWholeUpstream(verdaccio.url)
    behind = await startMachine({ upstream: front.url })
  })
  afterAll(async () => {
    await behind[Symbol.asyncDispose]()
    await front[Symbol.asyncDispose]()
    await tuf[Symbol.asyncDispose]()
  })

  async function audit(
    signed: readonly SignedVersion[],
    { isAttested = false, registry = behind.url } = {},
  ): Promise<ClientResult> {
    const home = await workspace.folder('home')
    const cwd = await workspace.folder('audited')
    await asIfInstalled(cwd, signed)
    for (const each of signed) {
      front.pages.set(`/${each.name}`, () => ({
        json: signedPackument(front.url, each, isAttested),
      }))
    }
    const env = await tuf.trustFrom(home)
    return runClient(client, ['audit', 'signatures'], { cwd, home, registry, env })
  }

  test("verifies npm's signatures with the pinned keys, where upstream has none", async () => {
    const { exitCode, output } = await audit(npmSigned)
    expect(output).toMatch(/2 packages have verified registry signatures/)
    expect(exitCode).toBe(0)
    expect(front.asked()).toContain('GET /-/npm/v1/keys')
  })

  test('verifies what is at hand with no registry at all', async () => {
    const cachePath = await workspace.folder('metadata')
    const outputs: string[] = []
    for (const peersOnly of [false, true]) {
      await using machine = await startMachine({ upstream: front.url, cachePath, peersOnly })
      front.forget()
      const { exitCode, output } = await audit(npmSigned, { registry: machine.url })
      expect({ exitCode, output }).toMatchObject({ exitCode: 0 })
      expect(front.asked().length > 0).toBe(!peersOnly)
      outputs.push(output)
    }
    expect(outputs.at(-1)).toMatch(/2 packages have verified registry signatures/)
  })

  test('finds the one that is not right', async () => {
    const { exitCode, output } = await audit([badlySigned])
    expect(output).toMatch(/1 package has an invalid registry signature/)
    expect(exitCode).toBe(1)
  })

  test("verifies with upstream's own keys", async () => {
    front.pages.set('/-/npm/v1/keys', () => ({ json: { keys: [signer.key] } }))
    const { exitCode, output } = await audit([signer.version('fx-signed')])
    expect(output).toMatch(/1 package has a verified registry signature/)
    expect(exitCode).toBe(0)
  })

  test.each([
    ['right', 0, /1 package has a verified attestation/],
    ['of other bytes', 1, /EATTESTATIONSUBJECT/],
    ["with another's signature", 1, /1 package has an invalid attestation/],
  ] as const)('checks attestations: %s', async (kind, wanted, words) => {
    const version = signer.version(`fx-attested-${wanted}`)
    const about = kind === 'of other bytes' ? signer.version('fx-other') : version
    const { sign } = kind === "with another's signature" ? createRegistrySigner() : signer
    const answer = log.attestations(version, { sign, about: about.integrity })
    const path = `/-/npm/v1/attestations/${version.name}@1.0.0`
    front.pages.set(path, () => ({ json: answer }))
    front.pages.set('/-/npm/v1/keys', () => ({ json: { keys: [signer.key] } }))
    front.forget()
    const { exitCode, output } = await audit([version], { isAttested: true })
    // pnpm checks signatures only.
    const isChecked = !client.startsWith('pnpm')
    expect(front.asked().includes(`GET ${path}`)).toBe(isChecked)
    if (isChecked) expect(output).toMatch(words)
    expect(exitCode).toBe(isChecked ? wanted : 0)
  })
}

for (const npm of NPMS) {
  describe(`${npm} and a gateway with no registry behind it`, { tags: tagsOf(npm) }, () =>
    aloneSuiteOf(npm),
  )
}

function aloneSuiteOf(client: ClientName): void {
  let node: CatalogNode
  let gateway: Gateway
  let who: Person
  beforeAll(async () => {
    node = await quietNode()
    const drop = (): void => undefined
    const log = { debug: drop, info: drop, warn: drop, error: drop }
    const options = { upstream: null, port: 0, addresses: ['127.0.0.1'] }
    gateway = createGateway({ node, log, npmConfig: npmConfigFrom({}) }, options)
    const { port } = await gateway.start()
    who = await person(client, `http://127.0.0.1:${port}`)
    await writeFile(
      who.rc,
      `registry=http://127.0.0.1:${port}/\n//127.0.0.1:${port}/:_authToken=x\n`,
    )
    await describePackage(who.cwd, 'fx-mine', '1.0.0')
  })
  afterAll(async () => {
    await gateway.stop()
    await node.close()
  })

  const REASON = 'no upstream'
  const calls: readonly (readonly string[])[] = [
    ['publish'],
    ['unpublish', 'fx-mine', '--force'],
    ['deprecate', 'fx-mine', 'why'],
    ['dist-tag', 'add', 'fx-mine@1.0.0', 'next'],
    ['access', 'get', 'status', 'fx-mine'],
    ['access', 'set', 'status=private', '@fx/mine'],
    ['whoami'],
    ['login', '--auth-type=web'],
    ['logout'],
    ['token', 'list'],
    ['profile', 'get'],
    ...(client === 'npm-10' ? [] : [['stage', 'list']]),
    ...(client === 'npm-12' ? [] : [['star', 'fx-mine']]),
  ]

  // Together: they wait for nothing, and what one of them does is seen in what it prints.
  test('is told why, at once, and nothing pretends to have worked', async () => {
    for (const args of calls) {
      const before = gateway.stats().requests
      const { exitCode, output } = await who.npm(args)
      expect(output, args.join(' ')).toContain(REASON)
      expect(exitCode, args.join(' ')).toBe(1)
      // Once more would mean that npm takes it for a passing trouble, and waits.
      const after = gateway.stats().requests
      const asked = after.passthrough - before.passthrough
      expect(asked, `${args.join(' ')}: requests`).toBeLessThanOrEqual(2)
    }
  })

  test('answers what it can', async () => {
    expect(await who.must(['ping'])).toContain('PONG')
    expect(await who.must(['search', 'x', '--json'])).toContain('[]')
  })

  test('an audit says that it could not be made; an install does not mention it', async () => {
    const lock = {
      name: 'fx-mine',
      version: '1.0.0',
      lockfileVersion: 3,
      packages: {
        '': { name: 'fx-mine', version: '1.0.0', optionalDependencies: { 'fx-none': '1.0.0' } },
        'node_modules/fx-none': { version: '1.0.0', optional: true, integrity: 'sha512-AAAA' },
      },
    }
    await writeFile(join(who.cwd, 'package-lock.json'), JSON.stringify(lock))
    const { exitCode, output } = await who.npm(['audit'])
    expect(output).toContain(REASON)
    expect(output).toContain('audit endpoint returned an error')
    expect(exitCode).toBe(1)
  })
}
