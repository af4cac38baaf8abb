import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { answerChallenge } from './daemon-proof.ts'
import {
  daemonFile,
  findDaemon,
  probeDaemon,
  readDaemonFile,
  removeDaemonFile,
  writeDaemonFile,
  type DaemonInfo,
} from './daemon-client.ts'

const signal = AbortSignal.timeout(20_000)

let folder: string
let stop: (() => Promise<unknown>)[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'catalog-daemon-'))
  stop = []
})
afterEach(async () => {
  for (const one of stop) await one()
  rmSync(folder, { recursive: true })
})

type Handler = (req: IncomingMessage, res: ServerResponse, body: string) => void

const TOKEN = 't'.repeat(32)

/** Answers health as `id` that has `token`, everything else as told. */
async function serve(
  id: string,
  handler: Handler = (_, res) => res.end(),
  token = TOKEN,
): Promise<string> {
  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://localhost')
    if (pathname === '/-/catalog/health') {
      const proof = answerChallenge(token, searchParams.get('challenge'))
      return res.end(JSON.stringify({ status: 'ok', id, proof }))
    }
    let body = ''
    req.setEncoding('utf8').on('data', (text: string) => (body += text))
    req.on('end', () => handler(req, res, body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stop.push(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

function infoOf(url: string, id = 'me'): DaemonInfo {
  const port = Number(new URL(url).port)
  return { pid: 1, port, url, id, token: TOKEN, version: '1.0.0', startedAtMs: 1 }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

async function daemonFor(url: string) {
  await writeDaemonFile(folder, infoOf(url))
  const daemon = await findDaemon(folder, 1)
  if (daemon === undefined) throw new Error('not found')
  return daemon
}

test('daemon.json is private, read back as written, and removed only by who wrote it', async () => {
  const info = infoOf('http://127.0.0.1:4874/')
  await writeDaemonFile(folder, info)
  if (process.platform !== 'win32') {
    expect(statSync(daemonFile(folder)).mode & 0o777).toBe(0o600)
  }
  expect(await readDaemonFile(folder)).toEqual(info)
  await removeDaemonFile(folder, { ...info, token: 'another'.repeat(5) })
  expect(await readDaemonFile(folder)).toEqual(info)
  await removeDaemonFile(folder, info)
  expect(await readDaemonFile(folder)).toBeUndefined()
})

test.each(['', '{', '{}', '[]', '{"pid":1,"port":99999}'])(
  '%j as daemon.json is none',
  async (text) => {
    writeFileSync(daemonFile(folder), text)
    expect(await readDaemonFile(folder)).toBeUndefined()
  },
)

test('a daemon is who answers with the id of the file; else whoever has the port; else nobody', async () => {
  const url = await serve('me')
  const { port } = new URL(url)
  await writeDaemonFile(folder, infoOf(url, 'me'))
  expect((await findDaemon(folder, 1))?.info?.id).toBe('me')
  await writeDaemonFile(folder, infoOf(url, 'somebody else'))
  expect(await findDaemon(folder, 1)).toBeUndefined()
  const byPort = await findDaemon(folder, Number(port))
  expect(byPort).toMatchObject({ url, info: undefined })
  await expect(byPort?.prune({ signal })).rejects.toMatchObject({ code: 'DAEMON_NOT_RUNNING' })
})

test('who only says the id of the file is not told its token', async () => {
  const tokens: unknown[] = []
  const note: Handler = (req, res) => {
    tokens.push(req.headers['x-catalog-token'])
    res.end('{"gateway":{},"node":{}}')
  }
  const url = await serve('me', note, 'some other token, 32 characters!')
  await writeDaemonFile(folder, infoOf(url, 'me'))
  const found = await findDaemon(folder, Number(new URL(url).port))
  expect(found?.info).toBeUndefined()
  await found?.status({ signal })
  expect(tokens).toEqual([undefined])
})

test('another program on the port is no daemon', async () => {
  const server = createServer((_, res) => res.end('{"status":"ok"}'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stop.push(async () => server.close())
  expect(await probeDaemon(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)).toBe(
    undefined,
  )
})

test('actions carry the token and the body', async () => {
  const seen: unknown[] = []
  const url = await serve('me', (req, res, body) => {
    seen.push([req.method, req.url, req.headers['x-catalog-token'], JSON.parse(body)])
    res.end('{"changed":1,"missing":[]}')
  })
  const daemon = await daemonFor(url)
  expect(await daemon.pin(['d'], { pinned: true, signal })).toEqual({ changed: 1, missing: [] })
  await daemon.prune({ targetBytes: 5, signal })
  expect(seen).toEqual([
    ['POST', '/-/catalog/store/pin', 't'.repeat(32), { digests: ['d'], pinned: true }],
    ['POST', '/-/catalog/store/prune', 't'.repeat(32), { targetBytes: 5 }],
  ])
})

test('a refusal is told in the words of the daemon, junk as junk', async () => {
  const url = await serve('me', (req, res) => {
    if (req.url?.endsWith('peers') === true) return res.end('<html>')
    res.statusCode = 403
    res.end('{"error":"no token"}')
  })
  const daemon = await daemonFor(url)
  await expect(daemon.status({ signal })).rejects.toMatchObject({
    code: 'DAEMON_FAILED',
    message: 'the daemon answered: no token',
  })
  await expect(daemon.peers({ signal })).rejects.toMatchObject({ code: 'DAEMON_FAILED' })
})

test('prefetch yields each line as it comes, whatever the packets', async () => {
  const lines = [
    { name: 'a', version: '1.0.0', status: 'ok', source: 'peer', bytes: 3 },
    { name: 'ü', version: '1.0.0', status: 'failed', error: 'gone' },
  ]
  const text = [...lines, { done: true, packages: 2 }].map((line) => `${JSON.stringify(line)}\n`)
  const url = await serve('me', (_, res) => {
    const bytes = Buffer.from(text.join(''))
    const writeOne = (at: number): void => {
      if (at === bytes.length) res.end()
      else res.write(bytes.subarray(at, at + 1), () => setImmediate(writeOne, at + 1))
    }
    writeOne(0)
  })
  const daemon = await daemonFor(url)
  expect(await collect(daemon.prefetch([], { signal }))).toEqual(lines)
})

test('a prefetch that breaks off is an error, not a short list', async () => {
  const url = await serve('me', (_, res) => {
    res.write('{"name":"a","version":"1.0.0","status":"ok"}\n', () => res.destroy())
  })
  const daemon = await daemonFor(url)
  const run = collect(daemon.prefetch([], { signal }))
  await expect(run).rejects.toMatchObject({ code: 'DAEMON_FAILED' })
})

test('an abort comes through as its reason', async () => {
  const url = await serve('me', () => undefined)
  const daemon = await daemonFor(url)
  const controller = new AbortController()
  const asked = daemon.status({ signal: controller.signal })
  const reason = new Error('enough')
  controller.abort(reason)
  await expect(asked).rejects.toBe(reason)
})
