import { EventEmitter } from 'node:events'
import { expect, test, vi } from 'vitest'
import { createClientHandler } from './client-requests.ts'
import { createContexts, type ClientRequest } from './request-context.ts'
import type { VerdaccioRequest, VerdaccioResponse } from './verdaccio.ts'

const digest = `sha512-${Buffer.alloc(64, 1).toString('base64')}`

class FakeResponse extends EventEmitter {
  headersSent = false
  writableFinished = false
  writableNeedDrain = false
  destroyed = false
  report = vi.fn()
  locals = { report_error: this.report as (error: unknown) => void }
  write(...chunks: unknown[]): unknown {
    return void chunks // as Verdaccio's log has it
  }
  destroy(): void {
    this.destroyed = true
  }
}

function handle(given: { method?: string; path?: string; headers?: object } = {}) {
  const contexts = createContexts()
  const res = new FakeResponse()
  const req = { method: 'GET', path: '/fx/-/fx-1.0.0.tgz', headers: {}, ...given }
  let client: ClientRequest | undefined
  const next = vi.fn(() => void (client = contexts.clients.getStore()))
  const handler = createClientHandler(contexts, vi.fn())
  handler(req as VerdaccioRequest, res as unknown as VerdaccioResponse, next)
  expect(next).toHaveBeenCalledTimes(1)
  return { client, res }
}

test.each([
  ['alone', digest, digest],
  ['among others', `sha1-x ${digest}?a`, digest],
  ['of another algorithm', 'sha256-abc', undefined],
  ['too far behind', `${' '.repeat(2000)}${digest}`, undefined],
  ['twice', [digest, digest], undefined],
  ['not at all', undefined, undefined],
])('a digest %s', (_, header, expected) => {
  const { client } = handle({ headers: { 'pacote-integrity': header } })
  expect(client?.digest).toBe(expected)
})

test('a catalog daemon is known by its name', () => {
  expect(handle({ headers: { 'user-agent': 'catalog-p2p node/v24' } }).client?.isDaemon).toBe(true)
  expect(handle({ headers: { 'user-agent': 'npm/11' } }).client?.isDaemon).toBe(false)
})

test.each([[{ method: 'PUT' }], [{ path: '/fx' }], [{ path: '/-/catalog/status' }]])(
  '%j is left alone',
  (given) => {
    const { client, res } = handle(given)
    expect(client).toBeUndefined()
    expect(res.locals.report_error).toBe(res.report)
  },
)

test('an error after the first byte ends the connection; before it Verdaccio answers', () => {
  const { res } = handle()
  res.locals.report_error(new Error('early'))
  expect(res.report).toHaveBeenCalledTimes(1)
  expect(res.destroyed).toBe(false)
  res.headersSent = true
  res.locals.report_error(new Error('late'))
  expect(res.report).toHaveBeenCalledTimes(1)
  expect(res.destroyed).toBe(true)
})

test('a full socket is told to whoever writes', () => {
  const { res } = handle()
  expect(res.write('x')).toBe(true)
  res.writableNeedDrain = true
  expect(res.write('x')).toBe(false)
})

test('a client that has gone is one that had not been served', () => {
  const gone = handle()
  gone.res.emit('close')
  expect(gone.client?.gone.aborted).toBe(true)
  const served = handle()
  served.res.writableFinished = true
  served.res.emit('close')
  expect(served.client?.gone.aborted).toBe(false)
})
