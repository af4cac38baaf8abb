/**
 * A registry whose tarballs are not where clients derive them: a lockfile made through the gateway is the one made without it,
 * byte for byte, and installs without it.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { findClient, tagsOf, whyUnavailable } from '../support/clients.ts'
import { clientByExec } from '../support/exec-run.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { startMachine, type Machine } from '../support/machines/machine.ts'
import { startUpstream, type FaultyUpstream } from '../support/registries/upstream.ts'

const fixture = makePackage('fx-odd', '1.0.0')
const manifest = JSON.stringify({
  name: 'p',
  version: '1.0.0',
  dependencies: { 'fx-odd': '^1.0.0' },
})

let workspace: Workspace
let upstream: FaultyUpstream
let machine: Machine

beforeAll(async () => {
  workspace = await createWorkspace()
  upstream = await startUpstream([fixture])
  Object.assign(upstream.document('fx-odd').versions['1.0.0']?.dist ?? {}, {
    tarball: `${upstream.url}download/fx-odd/1.0.0/0123abcd`,
  })
  upstream.fault(/\.tgz/, { kind: 'status', status: 404 })
  upstream.otherwise = ({ url }, res) => {
    if (url.startsWith('/download/')) res.writeHead(200).end(fixture.tarball)
    else res.writeHead(404).end('{}')
  }
  machine = await startMachine({ upstream: upstream.url })
})

afterAll(async () => {
  await machine[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
  await workspace[Symbol.asyncDispose]()
})

for (const name of ['pnpm-10', 'pnpm-12', 'yarn-4', 'bun'] as const) {
  const tags = tagsOf(name)
  test(`${name} writes the lockfile that it writes without us`, { tags }, async ({ skip }) => {
    const client = findClient(name)
    const unavailable = whyUnavailable(client)
    if (unavailable !== undefined) skip(unavailable)
    const registry = upstream.url.slice(0, -1)
    const alone = await project()
    const through = await project()
    await mustRunClient(name, client.install, { ...alone, registry })
    await mustRunClient(name, client.install, { ...through, registry: machine.url })
    const lockfile = await readFile(join(through.cwd, client.lockfile), 'utf8')
    expect(lockfile).toBe(await readFile(join(alone.cwd, client.lockfile), 'utf8'))
    const later = await project()
    await writeFile(join(later.cwd, client.lockfile), lockfile)
    await mustRunClient(name, client.frozen, { ...later, registry })
  })
}

/**
 * `catalog exec` with Yarn: it stays with its own registry, and exec's plugin relays what it asks. With a token that stands in
 * Yarn's own settings alone the gateway can't ask for anything, so Yarn goes alone.
 */
describe.each([
  ['open', undefined],
  ['private', 's3cret-token'],
] as const)('yarn-4 by exec, %s', (_, token) => {
  const client = findClient('yarn-4')
  const settings = (): string =>
    token === undefined
      ? 'enableTelemetry: false\n'
      : `npmRegistries:\n  '${upstream.url}':\n    npmAlwaysAuth: true\n    npmAuthToken: ${token}\n`
  const given = async (lockfile?: string) => {
    const made = await project()
    await writeFile(join(made.cwd, '.yarnrc.yml'), settings())
    if (lockfile !== undefined) await writeFile(join(made.cwd, client.lockfile), lockfile)
    return { ...made, registry: upstream.url.slice(0, -1), options: ['--port', '0'] }
  }
  beforeAll(() => {
    if (token !== undefined) upstream.wall(/fx-|download/, [`Bearer ${token}`])
  })

  test('writes the lockfile that it writes without us, and installs from it', async ({ skip }) => {
    const unavailable = whyUnavailable(client)
    if (unavailable !== undefined) skip(unavailable)
    const alone = await given()
    await mustRunClient('yarn-4', client.install, alone)
    const expected = await readFile(join(alone.cwd, client.lockfile), 'utf8')
    expect(expected).toContain('__archiveUrl=')
    const fresh = await given()
    const frozen = await given(expected)
    for (const [run, args] of [
      [fresh, client.install],
      [frozen, client.frozen],
    ] as const) {
      upstream.forget()
      const { exitCode, output, report } = await clientByExec(client, args, run)
      expect(exitCode, output).toBe(0)
      expect(report).toMatchObject({ gateway: token === undefined ? 'own' : 'none' })
      expect(await readFile(join(run.cwd, client.lockfile), 'utf8')).toBe(expected)
      if (token !== undefined) continue
      const direct = upstream.seen.filter(({ url, headers }) => {
        const byGateway = headers['user-agent']?.startsWith('catalog-p2p') === true
        // A registry on this machine is asked whether it is a catalog.
        return !byGateway && headers.via === undefined && url !== '/-/catalog/health'
      })
      expect(direct.map(({ url }) => url)).toEqual([])
      expect(upstream.count(/download/)).toBe(1)
    }
  })
})

async function project(): Promise<{ cwd: string; home: string }> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), manifest)
  return { cwd, home: await workspace.folder('home') }
}
