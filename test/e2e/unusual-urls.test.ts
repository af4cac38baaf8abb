/**
 * A registry whose tarballs are not where clients derive them: a lockfile made through the gateway is the one made without it,
 * byte for byte, and installs without it.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { findClient, whyUnavailable } from '../support/clients.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { startMachine, type Machine } from '../support/machine.ts'
import { startUpstream, type FaultyUpstream } from '../support/upstream.ts'

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

describe.each(['pnpm-10', 'pnpm-12', 'yarn-4', 'bun'] as const)('%s', (name) => {
  test('writes the lockfile that it writes without us', async ({ skip }) => {
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
})

async function project(): Promise<{ cwd: string; home: string }> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), manifest)
  return { cwd, home: await workspace.folder('home') }
}
