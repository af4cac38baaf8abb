/** What many ids of one address can do with inventories, and what others have beside them. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { readAll } from '../../../../test/support/read-all.ts'
import { until } from '../../../../test/support/until.ts'
import { systemClock, type Clock } from '../../timing/clock.ts'
import type { ByteStream, Host } from '../../host/host.ts'
import { createMemoryNetwork } from '../../host/memory-host.ts'
import { silentLogger } from '../../log.ts'
import type { InventoryLimits } from './inventory-limits.ts'
import { InventoryListener } from './inventory-listener.ts'
import {
  encodeInventoryMessage,
  encodeSnapshot,
  INVENTORY_PROTOCOL,
} from '../../wire/inventory-messages.ts'

const KiB = 1024
const LIARS = Array.from({ length: 20 }, (_, id) => `liar-${id}`)
const limits: InventoryLimits = {
  memory: { total: 80 * KiB, ofGroup: () => 32 * KiB },
  pace: {
    total: { perSecond: 400, burst: 1_000 },
    ofGroup: { perSecond: 200, burst: 500 },
  },
}

const prefixes = (count: number, from = 0): Uint32Array<ArrayBuffer> =>
  Uint32Array.from({ length: count }, (_, index) => from + index)

async function world(options: { clock?: Clock; limits?: Partial<InventoryLimits> } = {}) {
  const clock = options.clock ?? systemClock
  const groupOf = (peer: string): string => (peer.startsWith('liar') ? 'one address' : peer)
  const network = createMemoryNetwork({ groupOf })
  const host = network.createHost('victim')
  await host.start()
  const reports: string[] = []
  const hosts = new Map<string, Host>()
  const listener = new InventoryListener(
    { host, clock, log: silentLogger, onMisbehaviour: (_peer, reason) => reports.push(reason) },
    { ...limits, ...options.limits },
  )
  listener.start()
  onTestFinished(() => listener.stop())

  /** Connects and tells a snapshot of so many. */
  async function tell(name: string, count: number): Promise<ByteStream> {
    const teller = hosts.get(name) ?? network.createHost(name)
    hosts.set(name, teller)
    await teller.start()
    const signal = AbortSignal.timeout(10_000)
    await teller.connect('/memory/victim', { signal })
    const stream = await teller.open('victim', INVENTORY_PROTOCOL, { signal })
    for (const frame of encodeSnapshot(prefixes(count))) await stream.write(frame)
    return stream
  }
  return { listener, reports, tell }
}

const FAST = {
  pace: { total: { perSecond: 1e9, burst: 1e9 }, ofGroup: { perSecond: 1e9, burst: 1e9 } },
}

describe('inventories', () => {
  it('of many ids of one address take the memory of one address, and nobody is blamed', async () => {
    const { listener, reports, tell } = await world({ limits: FAST })
    await tell('early', 2_000)
    await until(() => listener.countsOf('early').artifacts === 2_000)
    for (const liar of LIARS) await tell(liar, 2_000)
    await tell('late', 2_000)
    await until(() => listener.countsOf('late').artifacts === 2_000)
    expect(listener.countsOf('early').artifacts).toBe(2_000)
    const taken = LIARS.reduce((sum, liar) => sum + 4 * listener.countsOf(liar).artifacts, 0)
    expect(taken).toBeLessThanOrEqual(32 * KiB)
    expect(reports).toEqual([])
  })

  it('of many addresses keep to the bound of all; the largest goes first', async () => {
    const { listener, tell } = await world({ limits: FAST })
    for (let n = 0; n < 6; n += 1) await tell(`large-${n}`, 5_000)
    await tell('small', 1_000)
    await until(() => listener.countsOf('small').artifacts === 1_000)
    const sizes = Array.from({ length: 6 }, (_, n) => listener.countsOf(`large-${n}`).artifacts)
    expect(sizes.reduce((sum, size) => sum + 4 * size, 8_000)).toBeLessThanOrEqual(160 * KiB)
    expect(sizes.filter((size) => size === 5_000)).toHaveLength(3)
  })

  it('count while they grow: changes, and a snapshot that is not complete', async () => {
    const { listener, tell } = await world({ limits: FAST })
    const growing = await tell('grows', 10)
    for (let from = 100; from < 20_000; from += 1_000) {
      await growing.write(encodeInventoryMessage({ type: 'have', prefixes: prefixes(1_000, from) }))
    }
    await until(() => listener.countsOf('grows').artifacts === 0)
    const half = await tell('honest', 10)
    await half.write(encodeInventoryMessage({ type: 'have', prefixes: prefixes(5, 100) }))
    await until(() => listener.countsOf('honest').artifacts === 15)
    expect(listener.countsOf('grows').artifacts).toBe(0)
  })

  it('that were too much are taken again when they are told anew, and smaller', async () => {
    const { listener, tell } = await world({ limits: FAST })
    await tell('peer', 9_000)
    await until(() => listener.countsOf('peer').artifacts === 0 && listener.count === 0)
    await tell('peer', 100)
    await until(() => listener.countsOf('peer').artifacts === 100)
    expect(listener.holders(5)).toEqual(['peer'])
  })

  it('that were too much are asked for again after a while, and are then taken where there is room', async () => {
    const clock = createFakeClock()
    const { listener, tell, reports } = await world({ clock, limits: FAST })
    const shed = await tell('peer', 9_000)
    await clock.advance(1)
    expect(listener.countsOf('peer').artifacts).toBe(0)
    let isOver = false
    const over = readAll(shed.source).finally(() => (isOver = true))
    over.catch(() => undefined)
    for (let minute = 0; minute < 4; minute += 1) {
      await clock.advance(60_000)
      await shed.write(encodeInventoryMessage({ type: 'alive' }))
    }
    expect(isOver).toBe(false)
    await clock.advance(61_000)
    await expect(over).rejects.toThrow()
    expect(reports).toEqual([])
    await tell('peer', 100)
    await clock.advance(1)
    expect(listener.countsOf('peer').artifacts).toBe(100)
  })

  it('that were too much leave no timer behind when their stream ends', async () => {
    const clock = createFakeClock()
    const { listener, tell } = await world({ clock, limits: FAST })
    await tell('peer', 9_000)
    await clock.advance(1)
    expect(clock.sleepers).toBeGreaterThan(0)
    await listener.stop()
    expect(clock.sleepers).toBe(0)
  })

  it('that churn at one address do so at the pace of one address; others are heard at once', async () => {
    const clock = createFakeClock()
    const { listener, tell, reports } = await world({ clock })
    for (const liar of LIARS) {
      const stream = await tell(liar, 0)
      for (let from = 0; from < 2_000; from += 10) {
        void stream
          .write(encodeInventoryMessage({ type: 'have', prefixes: prefixes(10, from) }))
          .catch(() => undefined)
      }
    }
    await clock.advance(2_000)
    const told = LIARS.reduce((sum, liar) => sum + listener.countsOf(liar).artifacts, 0)
    expect(told).toBeGreaterThan(100)
    expect(told).toBeLessThanOrEqual(500 + 2 * 200)
    const honest = await tell('honest', 5)
    await honest.write(encodeInventoryMessage({ type: 'have', prefixes: prefixes(1, 77) }))
    await clock.advance(100)
    expect(listener.countsOf('honest').artifacts).toBe(6)
    expect(reports).toEqual([])
  })
})
