import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createDaemon, PROBE_MS } from './daemon.ts'

let server: Server
let url: URL
let asked: string[]
let answer: (res: ServerResponse) => void

const registries = [{ scope: null, url: 'https://main.invalid/', isPublicDefault: false }]
const healthy = (res: ServerResponse): void =>
  void res.end(JSON.stringify({ status: 'ok', id: 'x', registries }))

beforeEach(async () => {
  asked = []
  answer = healthy
  server = createServer((req, res) => {
    asked.push(req.url ?? '')
    answer(res)
  })
  await listen(0)
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
})
afterEach(stop)

async function listen(port: number): Promise<void> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
}

async function stop(): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

const never = (): boolean => false

describe('looking for it', () => {
  test('happens once, whoever asks', async () => {
    const daemon = createDaemon({ url, launch: never })
    const found = await Promise.all([daemon.gateway(), daemon.gateway(), daemon.gateway()])
    expect(found[0]?.registries).toEqual(registries)
    expect(new Set(found).size).toBe(1)
    await daemon.gateway()
    expect(asked).toEqual(['/-/catalog/health'])
  })

  test.each([
    ['nobody', undefined],
    ['another server', (res: ServerResponse) => void res.writeHead(404).end()],
    ['an older daemon', (res: ServerResponse) => void res.end('{"status":"ok","id":"x"}')],
    ['no JSON', (res: ServerResponse) => void res.end('<html>')],
    ['nonsense', (res: ServerResponse) => void res.end('{"status":"ok","registries":[7]}')],
  ])('finds %s', async (_what, how) => {
    if (how === undefined) await stop()
    else answer = how
    const daemon = createDaemon({ url, launch: never })
    expect(await daemon.gateway()).toBeUndefined()
    const { length } = asked
    expect(await daemon.gateway()).toBeUndefined()
    expect(asked).toHaveLength(length)
  })

  test('gives up on one that says nothing', async () => {
    answer = () => undefined
    const setTimer = vi.spyOn(globalThis, 'setTimeout')
    expect(await createDaemon({ url, launch: never }).gateway()).toBeUndefined()
    expect(setTimer.mock.calls.map(([, ms]) => ms)).toContain(PROBE_MS)
    setTimer.mockRestore()
  })
})

describe('its death', () => {
  test('ends its use at once, and it is looked for again later, a few times', async () => {
    let now = 0
    const daemon = createDaemon({ url, launch: never, nowMs: () => now })
    for (let returns = 0; returns <= 3; returns += 1) {
      const gateway = await daemon.gateway()
      expect(gateway).toBeDefined()
      if (gateway !== undefined) daemon.lost(gateway)
      await Promise.resolve()
      now += 4_999
      expect(await daemon.gateway()).toBeUndefined()
      now += 2
    }
    now += 1_000_000
    expect(await daemon.gateway()).toBeUndefined()
    expect(asked).toHaveLength(4)
  })

  test('reported late, by who used an earlier one, changes nothing', async () => {
    let now = 0
    const daemon = createDaemon({ url, launch: never, nowMs: () => now })
    const first = await daemon.gateway()
    if (first === undefined) throw new Error('there is one')
    daemon.lost(first)
    await Promise.resolve()
    now = 6_000
    const second = await daemon.gateway()
    daemon.lost(first)
    await Promise.resolve()
    expect(await daemon.gateway()).toBe(second)
  })
})

describe('one that is too busy to answer at once', () => {
  test('is waited for by those alone who need it, and then used by all', async () => {
    answer = () => undefined
    const daemon = createDaemon({ url, launch: never })
    await daemon.start()
    expect(await daemon.gateway()).toBeUndefined()
    answer = healthy
    const found = await Promise.all([daemon.needed(1_000_000), daemon.needed(1_000_000)])
    expect(found[0]?.registries).toEqual(registries)
    expect(found[1]).toBe(found[0])
    expect(await daemon.gateway()).toBe(found[0])
  })

  test('or was given up a moment ago', async () => {
    const daemon = createDaemon({ url, launch: never })
    const first = await daemon.needed(1_000_000)
    daemon.lost(first!)
    await Promise.resolve()
    expect(await daemon.gateway()).toBeUndefined()
    expect((await daemon.needed(1_000_000))?.registries).toEqual(registries)
  })
})

describe('starting it', () => {
  test('is not done when one answers', async () => {
    const launch = vi.fn(() => true)
    await createDaemon({ url, launch }).start()
    expect(launch).not.toHaveBeenCalled()
  })

  test('is done once, holds nobody up, and what it brings is used', async () => {
    const { port } = server.address() as AddressInfo
    await stop()
    const launch = vi.fn(() => true)
    const daemon = createDaemon({ url, launch })
    await Promise.all([daemon.start(), daemon.start()])
    await daemon.start()
    expect(launch).toHaveBeenCalledOnce()
    expect(await daemon.gateway()).toBeUndefined()
    await listen(port)
    const started = await daemon.needed(10_000)
    expect(started?.registries).toEqual(registries)
    expect(await daemon.gateway()).toBe(started)
  })

  test('that comes to nothing is not waited for without end', async () => {
    await stop()
    const daemon = createDaemon({ url, launch: () => true })
    await daemon.start()
    expect(await daemon.needed(20)).toBeUndefined()
    const none = createDaemon({ url, launch: never })
    await none.start()
    expect(await none.needed(1_000_000)).toBeUndefined()
  })
})
