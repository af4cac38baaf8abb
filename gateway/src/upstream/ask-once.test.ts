import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { AnswerBody } from './answer-body.ts'
import { askOnce } from './ask-once.ts'
import { createDispatcher } from './dispatcher.ts'
import { npmConfigFrom } from './npmrc.ts'
import { readChunks } from './read-chunks.ts'

test('what is given up while it waits for a connection is never sent, and holds nobody up', async () => {
  const seen: string[] = []
  const held = Promise.withResolvers<ServerResponse>()
  const server = createServer(({ url = '' }, res) => {
    seen.push(url)
    if (url === '/first') held.resolve(res)
    else res.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const options = { connectTimeoutMs: 2_000, maxSockets: 1 }
  const connections = createDispatcher(npmConfigFrom({}), {}, options)
  onTestFinished(async () => {
    await connections.destroy()
    server.close()
  })
  const dispatcher = connections.to(new URL(origin), { certificate: false, apart: false })
  const ask = (path: string, signal = new AbortController().signal) =>
    askOnce(dispatcher, { origin, path, method: 'GET', body: null, signal })
  const first = ask('/first')
  const response = await held.promise
  const gone = new AbortController()
  const second = ask('/second', gone.signal)
  const third = ask('/third')
  gone.abort(new Error('gone'))
  await expect(second).rejects.toThrow('gone')
  response.end()
  for (const answer of [await first, await third]) {
    expect(answer.status).toBe(200)
    answer.body.resume()
  }
  expect(seen).toEqual(['/first', '/third'])
})

describe('the body of an answer', () => {
  const idle = { aborted: false, paused: false, reason: null, rawHeaders: null, rawTrailers: null }
  function started() {
    const calls: string[] = []
    const body = new AnswerBody({
      ...idle,
      abort: (error) => void calls.push(`abort ${error.message}`),
      pause: () => undefined,
      resume: () => void calls.push('resume'),
    })
    return { body, calls }
  }
  const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString()

  test('by its chunks it has what came before anybody read, and what comes then', async () => {
    const { body, calls } = started()
    const chunks: Buffer[] = []
    expect(body.came(Buffer.from('a'))).toBe(true)
    const reading = readChunks(body, (chunk) => void chunks.push(chunk))
    body.came(Buffer.from('b'))
    body.complete()
    await reading
    expect([text(chunks), ...calls]).toEqual(['ab', 'resume'])
  })

  test('as a stream it has the same, also when all has come before', async () => {
    const { body } = started()
    body.came(Buffer.from('a'))
    body.came(Buffer.from('b'))
    body.complete()
    expect(text(await body.toArray())).toBe('ab')
  })

  test('what nobody reads holds the connection back', () => {
    const { body } = started()
    expect(body.came(Buffer.alloc(60_000))).toBe(true)
    expect(body.came(Buffer.alloc(60_000))).toBe(false)
  })

  test('what breaks off, before or while it is read, is no end', async () => {
    for (const isEarly of [true, false]) {
      const { body } = started()
      body.came(Buffer.from('a'))
      if (isEarly) body.destroy(new Error('reset'))
      const reading = readChunks(body, () => undefined)
      if (!isEarly) body.destroy(new Error('reset'))
      await expect(reading).rejects.toThrow('reset')
    }
  })

  test('whoever refuses a chunk gets no more, and the request ends', async () => {
    const { body, calls } = started()
    let seen = 0
    body.came(Buffer.from('a'))
    body.came(Buffer.from('b'))
    const reading = readChunks(body, () => {
      seen += 1
      throw new Error('too much')
    })
    await expect(reading).rejects.toThrow('too much')
    body.came(Buffer.from('c'))
    expect([seen, ...calls]).toEqual([1, 'abort too much'])
  })
})
