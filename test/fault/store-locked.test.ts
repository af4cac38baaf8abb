/** Two processes on one folder: the second is told so, and gets the folder once the first is gone, however it went. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { createFsStore } from '../../core/src/store/fs/fs-store.ts'
import { silentLogger } from '../../core/src/log.ts'
import { CHUNK_SIZE, blob } from '../support/blobs.ts'
import { createFsWorld, digestsOf, putAll } from '../support/fs-store-world.ts'

const OWNER = fileURLToPath(new URL('store-owner.ts', import.meta.url))

test('the second gets STORE_LOCKED until the first is killed', async () => {
  const world = await createFsWorld()
  const owner = spawn(process.execPath, [OWNER, world.path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void owner.kill('SIGKILL'))
  await once(owner.stdout, 'data', { signal: AbortSignal.timeout(20_000) })
  const locked = { code: 'STORE_LOCKED', message: expect.stringContaining(world.path) as string }
  await expect(world.open()).rejects.toMatchObject(locked)
  await expect(world.open()).rejects.toMatchObject({ hint: expect.stringContaining('--store') })
  const exited = once(owner, 'exit')
  owner.kill('SIGKILL')
  await exited
  const store = await world.open()
  expect(digestsOf(store)).toEqual([blob(1000).digest])
})

test('two stores of one process can not share a folder either', async () => {
  const world = await createFsWorld()
  const first = await world.open()
  const second = createFsStore(
    { clock: world.clock, log: silentLogger },
    {
      ...{ path: world.path, quotaBytes: 1e9, chunkSize: CHUNK_SIZE },
      memoryBytes: 0,
    },
  )
  await expect(second.start()).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  await second.stop()
  await putAll(first, [blob(10)])
  await first.stop()
  expect(digestsOf(await world.open())).toEqual([blob(10).digest])
})
