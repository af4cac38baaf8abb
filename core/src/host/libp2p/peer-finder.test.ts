import { describe, expect, it } from 'vitest'
import { systemClock, type Clock } from '../../timing/clock.ts'
import { createCollectingLogger } from '../../../../test/support/collecting-logger.ts'
import { silentLogger, type Logger } from '../../log.ts'
import { createPeerFinder, type PeerFinder } from './peer-finder.ts'

interface World {
  readonly finder: PeerFinder
  /** Every dial so far, in order. */
  readonly dials: string[]
  readonly connected: Set<string>
  readonly pausesMs: number[]
  /** All of them are lost at this moment. */
  lose(atMs: number): Promise<void>
  /** Lets the pause under way end, and what follows it happen. */
  tick(): Promise<void>
}

function create(options: {
  bootstrap?: string[]
  remembered?: string[] | (() => Promise<string[]>)
  log?: Logger
  maxConnections?: number
  groups?: () => number
  dialled?: () => number
  answers?: (target: string) => string | undefined
}): World {
  const dials: string[] = []
  const connected = new Set<string>()
  const pausesMs: number[] = []
  let wake: () => void = () => undefined
  let nowMs = 0
  const clock: Clock = {
    now: () => nowMs,
    epochMs: () => 0,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        pausesMs.push(ms)
        wake = resolve
        signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      }),
    after: () => () => undefined,
  }
  const finder = createPeerFinder(
    {
      log: options.log ?? silentLogger,
      clock,
      random: Math.random,
      dial: async (target) => {
        dials.push(target)
        const peer = options.answers?.(target)
        if (peer === undefined) throw new Error('nobody there')
        connected.add(peer)
        return peer
      },
      remembered: async () =>
        typeof options.remembered === 'function'
          ? options.remembered()
          : (options.remembered ?? []),
      isConnected: (peer) => connected.has(peer),
      connectedGroups: () => options.groups?.() ?? connected.size,
      dialledPeers: () => options.dialled?.() ?? 0,
    },
    { bootstrap: options.bootstrap ?? [], maxConnections: options.maxConnections ?? 100 },
  )
  return {
    finder,
    dials,
    connected,
    pausesMs,
    async lose(atMs) {
      nowMs = atMs
      connected.clear()
      finder.onDisconnected()
      await settle()
    },
    async tick() {
      wake()
      await settle()
    },
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate)
}

describe('peer finder', () => {
  it('dials bootstrap addresses and remembered peers at once', async () => {
    const { finder, dials } = create({ bootstrap: ['/boot'], remembered: ['old'] })
    finder.start()
    await settle()
    expect(dials).toEqual(['/boot', 'old'])
    await finder.stop()
  })

  it('dials again, less and less often, while nobody answers', async () => {
    const { finder, dials, pausesMs, tick } = create({ bootstrap: ['/boot'] })
    finder.start()
    await settle()
    for (let round = 0; round < 9; round += 1) await tick()
    expect(dials).toHaveLength(10)
    const nominalMs = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60].map((seconds) => seconds * 1000)
    expect(pausesMs).toHaveLength(nominalMs.length)
    for (const [index, ms] of nominalMs.entries()) {
      expect(pausesMs[index]).toBeGreaterThanOrEqual(ms * 0.75)
      expect(pausesMs[index]).toBeLessThanOrEqual(ms * 1.25)
    }
    await finder.stop()
  })

  it('goes on, and dials the bootstrap addresses, when its memory fails; says so once a minute', async () => {
    const log = createCollectingLogger()
    let isBroken = true
    const { finder, dials, tick } = create({
      log,
      bootstrap: ['/boot'],
      remembered: async () => {
        if (isBroken) throw new Error('database is locked')
        return ['old']
      },
    })
    finder.start()
    await settle()
    await tick()
    expect(dials).toEqual(['/boot', '/boot'])
    const warnings = log.lines.filter(({ level }) => level === 'warn')
    expect(warnings.map(({ event }) => event)).toEqual(['host.look-failed'])
    isBroken = false
    await tick()
    expect(dials).toEqual(['/boot', '/boot', '/boot', 'old'])
    await finder.stop()
  })

  it('rests once it has enough peers', async () => {
    const peers = ['/a', '/b', '/c', '/d']
    const { finder, dials, tick } = create({ bootstrap: peers, answers: (target) => target })
    finder.start()
    await settle()
    expect(dials).toEqual(peers)
    await tick()
    await tick()
    expect(dials).toEqual(peers)
    await finder.stop()
  })

  it('knows by its answer who is behind a bootstrap address, and does not dial it twice', async () => {
    const { finder, dials, tick } = create({ bootstrap: ['/boot'], answers: () => 'peer' })
    expect(finder.unmet).toBe(1)
    finder.start()
    await settle()
    await tick()
    expect(dials).toEqual(['/boot'])
    expect(finder.unmet).toBe(0)
    await finder.stop()
  })

  it('has done with a bootstrap address that nobody answers at once its dial has failed', async () => {
    const { finder } = create({
      ...{ bootstrap: ['/stale', '/boot'] },
      answers: (target) => (target === '/stale' ? undefined : 'peer'),
    })
    expect(finder.unmet).toBe(2)
    finder.start()
    await settle()
    expect(finder.unmet).toBe(0)
    await finder.stop()
  })

  it('looks again soon after a loss, but not at once', async () => {
    const { finder, dials, lose, tick } = create({
      bootstrap: ['/boot'],
      answers: () => 'peer',
    })
    finder.start()
    await settle()
    await lose(0)
    await lose(0)
    expect(dials).toEqual(['/boot'])
    await tick()
    expect(dials).toEqual(['/boot', '/boot'])
    await finder.stop()
  })

  it('goes back less and less often to a peer that lets it in and leaves at once', async () => {
    const { finder, dials, lose, tick } = create({ bootstrap: ['/boot'], answers: () => 'peer' })
    finder.start()
    await settle()
    const atSeconds: number[] = []
    for (let seconds = 1; seconds < 200; seconds += 1) {
      const before = dials.length
      await lose(seconds * 1000)
      await tick()
      if (dials.length > before) atSeconds.push(seconds)
    }
    expect(atSeconds).toEqual([1, 2, 4, 8, 16, 32, 64, 124, 184])
    // One that has stayed for long is gone back to at once.
    await lose(3_600_000)
    const before = dials.length
    await tick()
    expect(dials.length).toBe(before + 1)
    await finder.stop()
  })

  it('does not return to a peer that was left', async () => {
    const { finder, dials } = create({ remembered: ['left', 'kept'] })
    finder.onLeft('left')
    finder.start()
    await settle()
    expect(dials).toEqual(['kept'])
    await finder.stop()
  })

  it('dials what the LAN shows while there is room, each once at a time', async () => {
    const { finder, dials, connected } = create({ maxConnections: 4, answers: (peer) => peer })
    finder.found('a')
    finder.found('a')
    await settle()
    finder.found('b')
    finder.found('c')
    await settle()
    expect(dials).toEqual(['a', 'b', 'c'])
    expect(connected.size).toBe(3)
    finder.found('d')
    await settle()
    expect(dials).toEqual(['a', 'b', 'c'])
    await finder.stop()
  })

  it('goes on looking while all its peers are at one address', async () => {
    const { finder, dials, connected, tick } = create({ remembered: ['honest'], groups: () => 1 })
    for (let id = 0; id < 30; id += 1) connected.add(`liar-${id}`)
    finder.start()
    await settle()
    await tick()
    expect(dials).toContain('honest')
    await finder.stop()
  })

  it('keeps few of what the LAN shows waiting, the newest of them', async () => {
    const { finder, dials } = create({ maxConnections: 10_000 })
    for (let id = 0; id < 3_000; id += 1) finder.found(`made-up-${id}`)
    await settle()
    for (let turn = 0; turn < 20; turn += 1) await settle()
    expect(dials.length).toBeLessThan(100)
    expect(dials).toContain('made-up-2999')
    await finder.stop()
  })

  it('opens no more than half of the connections, whatever the LAN shows', async () => {
    const { finder, dials } = create({ maxConnections: 10, groups: () => 1, dialled: () => 5 })
    finder.found('a')
    await settle()
    expect(dials).toEqual([])
    await finder.stop()
  })

  it('stops in the middle of a dial', async () => {
    const started = Promise.withResolvers<void>()
    const finder = createPeerFinder(
      {
        log: silentLogger,
        clock: systemClock,
        random: Math.random,
        dial: (_target, { signal }) => {
          started.resolve()
          return new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error))
          })
        },
        remembered: async () => ['slow', ...Array.from({ length: 20 }, (_, n) => `waits-${n}`)],
        isConnected: () => false,
        connectedGroups: () => 0,
        dialledPeers: () => 0,
      },
      { bootstrap: [], maxConnections: 10 },
    )
    finder.start()
    await started.promise
    await finder.stop()
  })
})
