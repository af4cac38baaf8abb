import { PassThrough } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { startUplink } from './start-uplink.ts'
import type { TarballStream } from './verdaccio.ts'

class FakeUplink {
  failed = 0
  readonly asked: unknown[] = []
  readonly answer: unknown
  constructor(answer: unknown) {
    this.answer = answer
  }
  request(...args: readonly unknown[]): unknown {
    this.failed += 1 // state of its own
    this.asked.push(args)
    return this.answer
  }
  fetchTarball(url: string): TarballStream {
    this.request({ uri_full: url })
    return Object.assign(new PassThrough(), { abort: () => undefined })
  }
}

test('cancelling ends the request, once, without the uplink counting as failed', () => {
  const request = { abort: vi.fn(), _verdaccio_aborted: false }
  const uplink = new FakeUplink(request)
  const { stream, cancel } = startUplink(uplink, 'https://x', FakeUplink.prototype.fetchTarball)
  expect(uplink.asked).toEqual([[{ uri_full: 'https://x' }]])
  expect(uplink.failed).toBe(1)
  cancel()
  cancel()
  expect(request.abort).toHaveBeenCalledTimes(1)
  expect(request._verdaccio_aborted).toBe(true)
  expect(stream.destroyed).toBe(true)
})

test('a request that can not be ended is read to its end', () => {
  const uplink = new FakeUplink(new PassThrough())
  const { stream, cancel } = startUplink(uplink, 'https://x', FakeUplink.prototype.fetchTarball)
  cancel()
  expect(stream.destroyed).toBe(false)
  expect(stream.readableFlowing).toBe(true)
})
