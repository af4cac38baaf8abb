import { Worker } from 'node:worker_threads'
import { afterEach, expect, test, vi } from 'vitest'
import { restNow } from './at-rest.ts'
import { createWorkerThread, workerUrl, type WorkerThread } from './worker-thread.ts'

/** Answers with what it was sent; ends at 'end', throws at 'throw'. */
const ECHO = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads'
    parentPort.on('message', (message) => {
      if (message === 'end') process.exit(3)
      if (message === 'throw') throw new Error('as told')
      parentPort.postMessage(message)
    })`)}`,
)

let thread: WorkerThread<string>
let said: string[]
let lost: string[]
let isIdle: boolean

function create(url = ECHO): void {
  said = []
  lost = []
  isIdle = true
  thread = createWorkerThread(url, {
    message: (reply: string) => said.push(reply),
    lost: (error) => lost.push(error.message),
    isIdle: () => isIdle,
  })
}
afterEach(() => thread.stop())

test('starts with the first message, and answers', async () => {
  create()
  expect(thread.isRunning).toBe(false)
  thread.post('hello')
  expect(thread.isRunning).toBe(true)
  await vi.waitFor(() => expect(said).toEqual(['hello']), { timeout: 10_000 })
})

test.each([
  ['ends', 'end', 'the thread ended with 3'],
  ['throws', 'throw', 'as told'],
])('one that %s is reported once, and the next message starts another', async (_how, word, why) => {
  create()
  thread.post(word)
  await vi.waitFor(() => expect(lost).toEqual([why]), { timeout: 10_000 })
  thread.post('again')
  await vi.waitFor(() => expect(said).toEqual(['again']), { timeout: 10_000 })
  expect(lost).toHaveLength(1)
})

test('one that was stopped is not reported', async () => {
  create()
  thread.post('hello')
  await thread.stop()
  expect(thread.isRunning).toBe(false)
  expect(lost).toEqual([])
})

test('a rest ends one that has nothing to do, and the next message starts another', async () => {
  create()
  thread.post('hello')
  isIdle = false
  restNow()
  await vi.waitFor(() => expect(said).toEqual(['hello']), { timeout: 10_000 })
  expect(thread.isRunning).toBe(true)
  isIdle = true
  restNow()
  expect(thread.isRunning).toBe(false)
  thread.post('again')
  await vi.waitFor(() => expect(said).toEqual(['hello', 'again']), { timeout: 10_000 })
  expect(lost).toEqual([])
})

test('stopped while a rest ends the thread: the end is waited for', async () => {
  create()
  thread.post('hello')
  const end = Promise.withResolvers<number>()
  const { terminate } = Worker.prototype
  const spy = vi.spyOn(Worker.prototype, 'terminate').mockImplementation(async function (
    this: Worker,
  ) {
    await end.promise
    return await terminate.call(this)
  })
  restNow()
  let isStopped = false
  const stopping = thread.stop().then(() => (isStopped = true))
  await new Promise(setImmediate)
  expect(isStopped).toBe(false)
  end.resolve(0)
  await stopping
  spy.mockRestore()
})

test('is the file beside the one that asks, with its extension', () => {
  expect(workerUrl('read-worker', 'file:///a/b/c.js').href).toBe('file:///a/b/read-worker.js')
  expect(workerUrl('read-worker', 'file:///a/b/c.ts').href).toBe('file:///a/b/read-worker.ts')
})
