/** A scope that is marked private from now on is taken back, what is in the store included, before any peer hears of it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '@catalog-p2p/core'
import { join } from 'node:path'
import { createWorkspace, type Workspace } from '../support/client.ts'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { ALONE } from '../support/exec-run.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { freePort } from '../support/machines/free-port.ts'
import {
  startRegistry,
  tarballPath,
  type LoopbackRegistry,
} from '../support/registries/registry.ts'

const thing = makePackage('@corp/thing', '1.0.0')
const other = makePackage('fx-other', '1.0.0')
let workspace: Workspace
let registry: LoopbackRegistry
beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages: [thing, other], tarballs: 'self' })
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await workspace[Symbol.asyncDispose]()
})

test('a private scope is taken back at the next start', async () => {
  const home = await workspace.folder('home')
  const store = join(home, 'store')
  const port = await freePort()
  const start = (...more: string[]): Promise<Daemon> =>
    startDaemon({
      args: [...ALONE, '--port', `${port}`, '--store', store, '--upstream', registry.url, ...more],
      ...{ home, port },
    })
  const get = async (daemon: Daemon, wanted: typeof thing): Promise<number> => {
    const headers = { 'pacote-integrity': wanted.integrity }
    const got = await fetch(daemon.url + tarballPath(wanted), { headers })
    await got.arrayBuffer()
    return got.status
  }
  /** Of the two: how many are in the store, and how many of them peers hear of. */
  const seeded = async (daemon: Daemon): Promise<[number, number]> => {
    const { node } = (await daemon.status()) as unknown as {
      node: { announced: number; store: { artifacts: number } }
    }
    return [node.store.artifacts, node.announced]
  }
  {
    await using daemon = await start()
    for (const wanted of [thing, other]) expect(await get(daemon, wanted)).toBe(200)
    expect(await seeded(daemon)).toEqual([2, 2])
  }
  {
    await using daemon = await start('--private-scope', '@corp')
    expect(await seeded(daemon)).toEqual([2, 1])
    // Its users still have it, also without the registry.
    await registry.stop()
    for (const wanted of [thing, other]) expect(await get(daemon, wanted)).toBe(200)
    await registry.restart()
    expect(await seeded(daemon)).toEqual([2, 1])
  }
  {
    // Nothing says any more what the artifacts are called: a store of an earlier version.
    const database = await openDatabase(join(store, 'metadata-v1.db'))
    database.exec('DELETE FROM version_bindings; DELETE FROM visibility_rules')
    database.close()
    await using daemon = await start()
    expect(await seeded(daemon)).toEqual([2, 0])
    for (const wanted of [thing, other]) expect(await get(daemon, wanted)).toBe(200)
    expect(await seeded(daemon)).toEqual([2, 2])
  }
})
