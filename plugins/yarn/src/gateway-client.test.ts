import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createGatewayClient, GatewayGone, type GatewayClient } from './gateway-client.ts'

let answer: (req: IncomingMessage, res: ServerResponse) => void
const server = createServer((req, res) => answer(req, res))
let client: GatewayClient

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  client = createGatewayClient(
    new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
  )
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})

test('asks in its own name, with what it was given and nothing else', async () => {
  let headers: IncomingMessage['headers'] = {}
  answer = (req, res) => {
    headers = req.headers
    res.setHeader('x-catalog-source', 'peer').end('bytes')
  }
  const got = await client.get('a/-/a-1.0.0.tgz', { 'pacote-integrity': 'sha512-x' })
  expect(got).toMatchObject({ status: 200, body: Buffer.from('bytes') })
  expect(got.headers['x-catalog-source']).toBe('peer')
  expect(headers['user-agent']).toMatch(/^catalog-yarn-plugin\//)
  expect(Object.keys(headers).sort()).toEqual([
    'accept-encoding',
    'connection',
    'host',
    'pacote-integrity',
    'user-agent',
  ])
})

test('unpacks, and tells statuses', async () => {
  answer = (_req, res) =>
    void res.writeHead(404, { 'content-encoding': 'gzip' }).end(gzipSync('{"error":"no"}'))
  const { status, body } = await client.get('x')
  expect([status, body.toString()]).toEqual([404, '{"error":"no"}'])
})

test('posts JSON with the header that hints need', async () => {
  const seen: unknown[] = []
  answer = (req, res) => {
    req.on('data', (chunk: Buffer) => seen.push(chunk.toString(), req.headers['x-catalog-client']))
    req.on('end', () => res.writeHead(202).end())
  }
  expect((await client.post('-/catalog/hints', { packages: [] })).status).toBe(202)
  expect(seen).toEqual(['{"packages":[]}', expect.stringContaining('yarn')])
})

test.each([
  [
    'breaks off',
    (_: IncomingMessage, res: ServerResponse) => {
      res.writeHead(200, { 'content-length': 100 })
      res.write('half', () => res.destroy())
    },
  ],
  ['hangs up', (req: IncomingMessage) => void req.socket.destroy()],
  [
    'announces too much',
    (_: IncomingMessage, res: ServerResponse) => {
      res.writeHead(200, { 'content-length': 2 ** 40 }).flushHeaders()
    },
  ],
])('one that %s is gone', async (_what, how) => {
  answer = how
  await expect(client.get('x')).rejects.toThrow(GatewayGone)
})

test('so is one that does not listen', async () => {
  const nobody = createServer().listen(0, '127.0.0.1')
  await once(nobody, 'listening')
  const { port } = nobody.address() as AddressInfo
  nobody.close()
  await once(nobody, 'close')
  const nobodys = createGatewayClient(new URL(`http://127.0.0.1:${port}/`))
  await expect(nobodys.get('x')).rejects.toThrow(/ECONNREFUSED/)
})

test('so is one that hangs, before its answer or in the middle of it', async () => {
  const patient = createGatewayClient(client.url, 50)
  answer = () => undefined
  await expect(patient.get('x')).rejects.toThrow(/no word for 50 ms/)
  answer = (_req, res) => void res.writeHead(200, { 'content-length': 100 }).write('half')
  await expect(patient.get('x')).rejects.toThrow(GatewayGone)
})

test.each([
  ['its body', (res: ServerResponse) => void res.writeHead(200, { 'content-length': 10 ** 6 })],
  ['its headers', (res: ServerResponse) => void res.socket?.write('HTTP/1.1 200 OK\r\nx: ')],
])('so is one that never stops to send a byte of %s now and then', async (_what, begin) => {
  const patient = createGatewayClient(client.url, 100)
  const ended: Promise<unknown>[] = []
  answer = (_req, res) => {
    begin(res)
    const { socket } = res
    const trickle = setInterval(() => (res.headersSent ? res.write('x') : socket?.write('x')), 20)
    // Not once(): the byte that crosses the client's hanging up is answered with a reset, which `once` would throw.
    const isOver = new Promise<void>((resolve) => res.once('close', resolve))
    ended.push(isOver.then(() => clearInterval(trickle)))
  }
  await expect(patient.get('x')).rejects.toThrow(/(less than 4096 bytes in|no word for) 100 ms/)
  await Promise.all(ended)
})

test('a body that is slower than one silence, but fast enough, comes whole', async () => {
  const patient = createGatewayClient(client.url, 400)
  const part = Buffer.alloc(256 * 1024, 'x')
  answer = (_req, res) => {
    let sent = 0
    const stream = setInterval(() => {
      sent += 1
      if (sent < 10) return void res.write(part)
      clearInterval(stream)
      res.end()
    }, 60)
  }
  expect((await patient.get('x')).body).toHaveLength(9 * part.length)
})
