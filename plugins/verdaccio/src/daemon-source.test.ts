import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createDaemonLink, type DaemonLink } from './daemon-source.ts'
import type { TarballRequest } from './tarball-request.ts'

const never = { signal: new AbortController().signal }
const digest = `sha512-${Buffer.alloc(64, 1).toString('base64')}`
const request: TarballRequest = {
  ...{ name: '@fx/beta', filename: 'beta-1.0.0+a.tgz', label: '@fx/beta@1.0.0' },
  expected: { algorithm: 'sha512', hashes: [] },
}

let server: Server
let answer: RequestListener
let asked: { url: string | undefined; digest: unknown }[]
let logged: string[]

beforeEach(async () => {
  asked = []
  logged = []
  server = createServer((req, res) => {
    asked.push({ url: req.url, digest: req.headers['pacote-integrity'] })
    answer(req, res)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(() => {
  vi.restoreAllMocks()
  server.closeAllConnections()
  server.close()
})

function link(timeouts: { timeoutMs?: number; silenceMs?: number } = {}): DaemonLink {
  const note = (event: string): void => void logged.push(event)
  const log = { debug: note, info: note, warn: note, error: note }
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return createDaemonLink(log, { url, timeoutMs: 5_000, silenceMs: 5_000, ...timeouts })
}

async function read(daemon: DaemonLink): Promise<string> {
  const source = daemon.source(request, digest)
  if (source === undefined) return 'left alone'
  try {
    const { body } = await source.open(never)
    const parts: Uint8Array[] = []
    for await (const part of body) parts.push(part)
    return Buffer.concat(parts).toString()
  } catch (error) {
    return (error as Error).message
  }
}

test('it is asked by path and digest', async () => {
  answer = (_, res) => res.end('bytes')
  const daemon = link()
  expect(daemon.state).toBe('unknown')
  expect(await read(daemon)).toBe('bytes')
  expect(asked).toEqual([{ url: '/@fx%2fbeta/-/beta-1.0.0%2Ba.tgz', digest }])
  expect(daemon.state).toBe('reachable')
})

test('one that says no is asked again', async () => {
  answer = (_, res) => res.writeHead(404).end()
  const daemon = link()
  expect(await read(daemon)).toBe('the daemon answered 404')
  expect(await read(daemon)).toBe('the daemon answered 404')
  expect(daemon.state).toBe('reachable')
})

test('one that hangs costs one deadline, and is asked again later', async () => {
  answer = () => undefined
  const daemon = link({ timeoutMs: 50 })
  expect(await read(daemon)).toBe('no answer from the daemon within 50 ms')
  expect(await read(daemon)).toBe('left alone')
  expect(daemon.state).toBe('unreachable')
  expect(asked).toHaveLength(1)

  answer = (_, res) => res.end('bytes')
  const later = performance.now() + 31_000
  vi.spyOn(performance, 'now').mockReturnValue(later)
  expect(await read(daemon)).toBe('bytes')
  expect(logged).toEqual(['daemon.unreachable', 'daemon.back'])
})

test('one that falls silent in the middle', async () => {
  answer = (_, res) => void res.writeHead(200, { 'content-length': 10 }).write('some')
  expect(await read(link({ silenceMs: 50 }))).toMatch(/silen|nothing|abort/)
})

test('one that trickles is given up, however long it would go on', async () => {
  answer = (_, res) => {
    res.writeHead(200, { 'content-length': 1_000_000 })
    const trickle = setInterval(() => res.write('x'), 10)
    res.on('close', () => clearInterval(trickle))
  }
  expect(await read(link({ silenceMs: 200 }))).toBe(
    'less than 4096 bytes came from the daemon in 200 ms',
  )
})

test('the last piece is never too late', async () => {
  answer = (_, res) => res.end('bytes')
  let nowMs = performance.now()
  vi.spyOn(performance, 'now').mockImplementation(() => (nowMs += 10_000))
  expect(await read(link({ silenceMs: 5_000 }))).toBe('bytes')
})

test('a reader that takes its time is not the daemon`s fault', async () => {
  let goOn = (): void => undefined
  answer = (_, res) => {
    res.write('x'.repeat(500))
    goOn = () => res.end('x'.repeat(500))
  }
  const { body } = (await link({ silenceMs: 5_000 }).source(request, digest)?.open(never)) ?? {}
  let nowMs = performance.now()
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs)
  let received = 0
  for await (const piece of body ?? []) {
    received += piece.byteLength
    nowMs += 10_000
    goOn()
  }
  expect(received).toBe(1000)
})

test('the probe says whether it is there', async () => {
  answer = (_, res) => res.end('{}')
  await link().probe(never)
  server.closeAllConnections()
  const daemon = link()
  server.close()
  await daemon.probe(never)
  expect(logged).toEqual(['daemon.found', 'daemon.unreachable'])
})
