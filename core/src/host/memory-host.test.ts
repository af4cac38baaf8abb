/** The knobs of the in-memory network; what it does as a Host is in test/contract/host.test.ts. */
import { describe, expect, it } from 'vitest'
import type { Clock } from '../timing/clock.ts'
import { isCatalogError } from '../errors.ts'
import type { ByteStream, Host } from './host.ts'
import {
  createMemoryNetwork,
  type MemoryNetwork,
  type MemoryNetworkOptions,
} from './memory-host.ts'

const ECHO = '/echo/1'
const deadline = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) })

async function connected(
  options: MemoryNetworkOptions = {},
): Promise<{ network: MemoryNetwork; a: Host; b: Host }> {
  const network = createMemoryNetwork(options)
  const [a, b] = [network.createHost('a'), network.createHost('b')]
  await a.start()
  await b.start()
  b.handle(
    ECHO,
    async (stream) => {
      for await (const bytes of stream.source) await stream.write(bytes)
      await stream.end()
    },
    { maxStreamsPerPeer: 10 },
  )
  await a.connect('/memory/b', deadline())
  return { network, a, b }
}

async function read(stream: ByteStream): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of stream.source) parts.push(part)
  return Buffer.concat(parts).toString()
}

describe('in-memory network', () => {
  it('delays by its latency each way, and hosts add their own', async () => {
    const sleeps: number[] = []
    let nowMs = 0
    const clock: Clock = {
      now: () => nowMs,
      epochMs: () => nowMs,
      sleep: async (ms) => {
        sleeps.push(ms)
        nowMs += ms
      },
      after: () => () => undefined,
    }
    const { network, a } = await connected({ latencyMs: 10, clock })
    expect(sleeps).toEqual([20])
    network.setHostLatency('b', 40)
    await a.open('b', ECHO, deadline())
    expect(sleeps).toEqual([20, 100])
  })

  it('holds back what a silenced host says, and delivers it later', async () => {
    const { network, a } = await connected()
    network.silence('b')
    const stream = await a.open('b', ECHO, deadline())
    await stream.write(Buffer.from('hello'))
    await stream.end()
    const answer = read(stream)
    const first = await Promise.race([answer, afterTurns(20).then(() => 'silence')])
    expect(first).toBe('silence')
    network.unsilence('b')
    expect(await answer).toBe('hello')
  })

  it('makes writers of a silenced host wait instead of piling up', async () => {
    const { network, a, b } = await connected()
    network.silence('a')
    const stream = await a.open(b.id, ECHO, deadline())
    let written = 0
    void (async () => {
      for (;;) {
        await stream.write(Buffer.alloc(64 * 1024))
        written += 1
      }
    })().catch(() => undefined)
    await afterTurns(100)
    expect(written).toBeLessThan(10)
    stream.abort(new Error('enough'))
  })

  it('loses streams at its loss rate, for both ends', async () => {
    const { network, a } = await connected()
    network.setLossRate(1)
    const stream = await a.open('b', ECHO, deadline())
    await expect(stream.write(Buffer.from('x'))).rejects.toSatisfy((error) =>
      isCatalogError(error, 'PEER_UNREACHABLE'),
    )
    await expect(read(stream)).rejects.toSatisfy(isCatalogError)
  })

  it('cuts a host off until it is restored', async () => {
    const { network, a, b } = await connected()
    network.cut('b')
    expect(a.peers()).toEqual([])
    expect(b.peers()).toEqual([])
    await expect(a.connect('b', deadline())).rejects.toSatisfy((error) =>
      isCatalogError(error, 'PEER_UNREACHABLE'),
    )
    network.restore('b')
    expect(await a.connect('b', deadline())).toBe('b')
  })

  it('shares provider records through its routing', async () => {
    const { a, b } = await connected()
    const key = Buffer.alloc(64, 7)
    await b.routing?.provide(key, deadline())
    const found: string[] = []
    for await (const { peer } of a.routing?.findProviders(key, deadline()) ?? []) found.push(peer)
    expect(found).toEqual(['b'])
    await b.routing?.withdraw(key)
    for await (const { peer } of a.routing?.findProviders(key, deadline()) ?? []) found.push(peer)
    expect(found).toEqual(['b'])
  })
})

async function afterTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
}
