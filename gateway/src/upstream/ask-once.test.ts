import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { askOnce } from './ask-once.ts'
import { createDispatcher } from './dispatcher.ts'
import { npmConfigFrom } from './npmrc.ts'

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
  const dispatcher = connections.to(new URL(origin), { certificate: false })
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
