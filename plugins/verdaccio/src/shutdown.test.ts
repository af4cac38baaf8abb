import { EventEmitter } from 'node:events'
import type { Server } from 'node:http'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { onShutdown } from './shutdown.ts'

const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

class FakeProcess extends EventEmitter {
  readonly pid = 1234
  platform: NodeJS.Platform = 'linux'
  readonly killed: string[] = []
  kill(_pid: number, signal: string): void {
    this.killed.push(signal)
  }
}

function listening(): Server {
  return Object.assign(new EventEmitter(), { listening: true }) as unknown as Server
}

function world(stop: () => Promise<void> = () => Promise.resolve()) {
  const host = new FakeProcess()
  const stopped = vi.fn(stop)
  const shutdown = onShutdown(stopped, { process: host, log })
  return { host, stopped, shutdown }
}

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout'] }))
afterEach(() => vi.useRealTimers())

test('a signal that nobody else hears ends the process, after the node', async () => {
  const { host, stopped } = world()
  host.emit('SIGTERM')
  expect(host.killed).toEqual([])
  await vi.waitFor(() => expect(host.killed).toEqual(['SIGTERM']))
  expect(stopped).toHaveBeenCalledTimes(1)
  expect(host.listenerCount('SIGTERM')).toBe(0)
})

test('a console that is closed on Windows ends it by a signal that can be sent there', async () => {
  const { host } = world()
  host.platform = 'win32'
  host.emit('SIGHUP')
  await vi.waitFor(() => expect(host.killed).toEqual(['SIGTERM']))
})

test('where somebody else handles it, the end is theirs', async () => {
  const { host, stopped } = world()
  const theirs = vi.fn()
  host.on('SIGINT', theirs)
  host.emit('SIGINT')
  await vi.waitFor(() => expect(host.listenerCount('SIGINT')).toBe(1))
  expect(stopped).toHaveBeenCalledTimes(1)
  expect(theirs).toHaveBeenCalledTimes(1)
  expect(host.killed).toEqual([])
})

test('a listener that only waits for its turn is not somebody else', async () => {
  const { host } = world()
  Object.assign(host, { __signal_exit_emitter__: { count: 1 } })
  host.on('SIGTERM', () => undefined)
  host.emit('SIGTERM')
  await vi.waitFor(() => expect(host.killed).toEqual(['SIGTERM']))
})

test('a node that does not come to its end is not waited for', async () => {
  const { host } = world(() => new Promise(() => undefined))
  host.emit('SIGTERM')
  await vi.advanceTimersByTimeAsync(4_999)
  expect(host.killed).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(host.killed).toEqual(['SIGTERM'])
})

test('a node that fails to end is said, and the process ends', async () => {
  const { host } = world(() => Promise.reject(new Error('stuck')))
  host.emit('SIGTERM')
  await vi.waitFor(() => expect(host.killed).toEqual(['SIGTERM']))
  expect(log.warn).toHaveBeenCalledWith('shutdown.failed', expect.anything())
})

test('the end of the HTTP server is the end of the node, once', async () => {
  const { host, stopped, shutdown } = world()
  const server = listening()
  shutdown.watch(undefined)
  shutdown.watch(server)
  shutdown.watch(server)
  expect(server.listenerCount('close')).toBe(1)
  server.emit('close')
  await vi.waitFor(() => expect(host.listenerCount('SIGTERM')).toBe(0))
  expect(stopped).toHaveBeenCalledTimes(1)
  expect(host.killed).toEqual([])
})

test('while it listens on another address it goes on', async () => {
  const { stopped, shutdown } = world()
  const [first, second] = [listening(), listening()]
  shutdown.watch(first)
  shutdown.watch(second)
  first.emit('close')
  await new Promise(setImmediate)
  expect(stopped).not.toHaveBeenCalled()
  // A kept-alive connection of one that has been closed is no sign of life.
  shutdown.watch(Object.assign(first, { listening: false }))
  second.emit('close')
  await vi.waitFor(() => expect(stopped).toHaveBeenCalledTimes(1))
})
