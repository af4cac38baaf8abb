import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { CatalogError } from '@catalog-p2p/core'
import { errorBody, isNotModified, sendError, statusOf } from './respond.ts'

describe('the status of', () => {
  test.each([
    [new CatalogError('INVALID_NAME', 'x'), 400],
    [new CatalogError('INVALID_OPTIONS', 'x', { status: 413 }), 413],
    [new CatalogError('NOT_FOUND', 'x'), 404],
    [new CatalogError('NO_PROVIDERS', 'x'), 404],
    [new CatalogError('PEER_TIMEOUT', 'x'), 502],
    [new CatalogError('PEER_TIMEOUT', 'x', { status: 503 }), 503],
    [new CatalogError('DIGEST_MISMATCH', 'x'), 502],
    [new CatalogError('STORE_FULL', 'x'), 503],
    [new CatalogError('NODE_STOPPED', 'x'), 503],
    [new CatalogError('UPSTREAM_UNREACHABLE', 'x'), 502],
    [new CatalogError('UPSTREAM_UNREACHABLE', 'x', { status: 503 }), 503],
    [new CatalogError('UPSTREAM_REJECTED', 'x', { status: 401 }), 401],
    [new CatalogError('UPSTREAM_REJECTED', 'x', { status: 500 }), 502],
    [new CatalogError('UPSTREAM_REJECTED', 'x', { status: 302 }), 502],
    [new CatalogError('UPSTREAM_REJECTED', 'x'), 502],
    [new Error('a bug'), 500],
    ['a string', 500],
  ])('%s', (error, status) => {
    expect(statusOf(error)).toBe(status)
  })
})

describe('the text', () => {
  test("has the hint, and upstream's own words before ours", () => {
    const hinted = new CatalogError('UPSTREAM_UNREACHABLE', 'gone', { hint: 'try later' })
    expect(errorBody(hinted)).toEqual({ error: 'gone (try later)', code: 'UPSTREAM_UNREACHABLE' })
    const told = new CatalogError('UPSTREAM_REJECTED', 'ours', { status: 403, text: 'theirs' })
    expect(errorBody(told).error).toBe('theirs')
  })

  test('of a bug tells nothing', () => {
    expect(errorBody(new Error('/home/me/secret')).error).not.toContain('secret')
  })
})

test('an upstream that can’t be reached is told in the line of the status, in its alphabet', async () => {
  const message = `https://npm.example cannot be reached:\r\nx: é ${'long '.repeat(100)}`
  const error = new CatalogError('UPSTREAM_UNREACHABLE', message)
  const server = createServer((req, res) => sendError(req, res, error)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const answer = await fetch(`http://127.0.0.1:${port}/`)
    expect(answer.status).toBe(502)
    expect(answer.statusText).toMatch(
      /^Bad Gateway: https:\/\/npm\.example cannot be reached: x: +long [long ]+$/,
    )
    expect(answer.statusText.length).toBeLessThan(250)
    expect(await answer.json()).toEqual({ error: error.message, code: 'UPSTREAM_UNREACHABLE' })
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

test.each([
  ['"a"', true],
  ['W/"a"', true],
  ['"x", "a"', true],
  ['*', true],
  ['"b"', false],
  ['a', false],
  [undefined, false],
])('If-None-Match %s', (given, expected) => {
  const headers = given === undefined ? {} : { 'if-none-match': given }
  expect(isNotModified({ headers } as Parameters<typeof isNotModified>[0], '"a"')).toBe(expected)
})
