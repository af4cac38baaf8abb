/** `catalog witness` as docs/witnesses.md tells it: processes in a home of their own, and a stranger that believes what they sign. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isKeyId, packageKeyOf, witnessKeyOf } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createWorkspace, execute, isolatedEnvironment } from '../support/client.ts'
import type { Workspace } from '../support/client.ts'
import { startDaemon } from '../support/daemon.ts'
import { ALONE } from '../support/exec-run.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { freePort } from '../support/machines/free-port.ts'
import { tarballPath } from '../support/registries/registry.ts'
import { signedSwarm, writeKeyring, type SignedSwarm } from '../support/signed-swarm.ts'
import { catalogProgram } from '../support/catalog-program.ts'

const CATALOG = await catalogProgram()
const seen = makePackage('fx-witnessed', '1.0.0')

let workspace: Workspace
let swarm: SignedSwarm
let home: string
beforeEach(async () => {
  workspace = await createWorkspace()
  swarm = await signedSwarm(workspace.path, [seen])
  home = await workspace.folder('home')
  await mkdir(join(home, 'tmp'))
})
afterEach(async () => {
  await swarm[Symbol.asyncDispose]()
  await workspace[Symbol.asyncDispose]()
})

async function catalog(...args: readonly string[]): Promise<string> {
  const { exitCode, output } = await execute(process.execPath, [...CATALOG, ...args], {
    ...{ cwd: home, env: isolatedEnvironment(home), timeoutMs: 30_000 },
  })
  expect({ exitCode, output }).toMatchObject({ exitCode: 0 })
  return output.trim()
}

async function ownKey() {
  const { witness, file } = JSON.parse(await catalog('witness', 'key', '--json')) as {
    witness: string
    file: string
  }
  if (!isKeyId(witness)) throw new Error(`no key: ${witness}`)
  return { id: witness, file }
}

test('its key is made once, for its user alone', async () => {
  const { id, file } = await ownKey()
  if (process.platform !== 'win32') expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await catalog('witness', 'key')).toBe(id)
})

test('the key that it prints is the one that others believe', { tags: ['long'] }, async () => {
  const { id, file } = await ownKey()
  const { registry, signer } = swarm
  await writeKeyring(join(dirname(file), 'registry-keys.json'), `${registry.url}/`, signer.key)
  const port = await freePort()
  const settings = ['--store', join(home, 'store'), '--port', `${port}`, '--upstream', registry.url]
  await using daemon = await startDaemon({
    ...{ command: 'witness', args: [...ALONE, ...settings], home, port },
  })
  await vi.waitFor(() => expect(daemon.output()).toContain(`witness ${id}`))
  expect((await fetch(`${daemon.url}/${seen.name}`)).status).toBe(200)
  await (await fetch(daemon.url + tarballPath(seen))).arrayBuffer()
  await registry.stop()

  const stranger = await swarm.machine({ peersOnly: true, gateway: { witnesses: [id] } })
  const { addresses } = (await daemon.status()).node
  await stranger.node.connect(addresses.find((each) => each.includes('/quic-v1')) ?? '')
  const about = { registry: `${registry.url}/`, name: seen.name }
  await vi.waitFor(() => {
    for (const key of [packageKeyOf(about), witnessKeyOf(about)]) {
      expect(stranger.node.questions.holders(key)).toHaveLength(1)
    }
  }, 10_000)
  const { status, headers } = await fetch(`${stranger.url}/${seen.name}`)
  expect([status, headers.get('x-catalog-metadata'), headers.get('x-catalog-witnesses')]).toEqual([
    ...[200, 'verified', '1 of 1 witnesses agree'],
  ])
})
