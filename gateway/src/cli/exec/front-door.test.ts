import type { AddressInfo } from 'node:net'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { silentLogger } from '../../../../core/src/log.ts'
import { probeDaemon } from '../../admin/daemon-client.ts'
import { openFrontDoor, type FrontDoor } from './front-door.ts'

const doors: FrontDoor[] = []
afterEach(() => Promise.all(doors.splice(0).map((door) => door.close())))

async function open(port = 0): Promise<FrontDoor> {
  const gateway = { port, addresses: ['127.0.0.1'], maxSockets: 2 }
  const door = await openFrontDoor({ gateway }, silentLogger)
  doors.push(door)
  return door
}

const ask = (door: FrontDoor, path: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(new URL(path, door.url), { redirect: 'manual', headers })
const post = (door: FrontDoor, body: string) =>
  fetch(new URL('/-/npm/v1/security', door.url), { method: 'POST', body })

test('what is asked waits for the gateway, but for what has the key', async () => {
  const door = await open()
  const asked: string[] = []
  const early = ask(door, '/early')
  const listener = door.listen(({ url = '', headers }, res) => {
    asked.push(url)
    res.end(String(headers['x-catalog-key']))
  })
  expect(await listener.start()).toEqual({ port: door.port, urls: [door.url] })
  expect(await (await ask(door, '/trial', door.key)).text()).toBe('undefined')
  expect(asked).toEqual(['/trial'])
  door.open()
  expect((await early).status).toBe(200)
  expect((await ask(door, '/late')).status).toBe(200)
  expect(asked).toEqual(['/trial', '/early', '/late'])
  await listener.stop()
  await expect(ask(door, '/')).rejects.toThrow()
})

test('where no gateway comes of it, askers are sent to the registry, and nothing of ours goes there', async () => {
  const door = await open()
  const early = ask(door, '/@a%2fb?write=true')
  const listener = door.listen((_, res) => res.end('a gateway'))
  await listener.start()
  // It failed after it had begun to listen.
  await listener.stop()
  door.redirect('https://npm.example/all/')
  const answer = await early
  expect(answer.status).toBe(307)
  expect(answer.headers.get('location')).toBe('https://npm.example/all/@a%2fb?write=true')
  expect((await ask(door, '/-/catalog/builds/a')).status).toBe(404)
  expect((await ask(door, '/fx', { origin: 'https://page.example' })).status).toBe(403)
})

test('who looks for a catalog is told at once that there is none, until there is', async () => {
  const door = await open()
  expect(await probeDaemon(door.url)).toBeUndefined()
  expect((await ask(door, '/-/catalog/status')).status).toBe(503)
  await door.listen((_, res) => res.end('{"status":"ok","id":"me"}')).start()
  expect(await probeDaemon(door.url)).toEqual({ id: 'me' })
})

test('a body that waited reaches the gateway, or the registry', async () => {
  const body = 'x'.repeat(1_000_000)
  const echo: RequestListener = (req, res) => void req.pipe(res)
  const [ours, none] = [await open(), await open()]
  const early = [post(ours, body), post(none, body)].map(async (each) => (await each).text())
  const registry = createHttpServer(echo).listen(0, '127.0.0.1')
  await once(registry, 'listening')
  await ours.listen(echo).start()
  ours.open()
  none.redirect(`http://127.0.0.1:${(registry.address() as AddressInfo).port}/`)
  expect((await Promise.all(early)).map((text) => text === body)).toEqual([true, true])
  registry.close()
})

test('no page waits at it, and no more than some', async () => {
  const door = await open()
  const socket = connect(door.port, '127.0.0.1')
  socket.write('GET /fx HTTP/1.1\r\nhost: page.example\r\n\r\n')
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 403 /)
  const isTried = Promise.withResolvers<void>()
  await door
    .listen(({ url }, res) => {
      if (url === '/3') isTried.resolve()
      res.end()
    })
    .start()
  const many = connect(door.port, '127.0.0.1')
  const said = text(many)
  for (const path of ['/0', '/1', '/2'])
    many.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
  const [key = '', secret = ''] = Object.entries(door.key)[0] ?? []
  // Read after the others; the refusal has ended the connection for its answer.
  many.write(`GET /3 HTTP/1.1\r\nhost: localhost\r\n${key}: ${secret}\r\n\r\n`)
  await isTried.promise
  door.open()
  expect((await said).match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(['200', '200', '503'])
})

test('what still waits at the end is told so', async () => {
  const door = await open()
  const { promise: isRead, resolve } = Promise.withResolvers<void>()
  await door.listen(() => resolve()).start()
  const [key = '', secret = ''] = Object.entries(door.key)[0] ?? []
  const socket = connect(door.port, '127.0.0.1')
  // The second is read after the first.
  socket.write('GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n')
  socket.write(`GET /b HTTP/1.1\r\nhost: localhost\r\n${key}: ${secret}\r\n\r\n`)
  await isRead
  const said = text(socket)
  await door.close()
  expect(await said).toMatch(/^HTTP\/1\.1 503 /)
})

test('where a port is taken there is another one', async () => {
  const stranger = createServer().listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  const { port } = stranger.address() as AddressInfo
  const door = await open(port)
  expect(door.port).not.toBe(port)
  expect(door.url).toBe(`http://127.0.0.1:${door.port}/`)
  stranger.close()
})
