import { expect, test } from 'vitest'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { digestOf } from '../../content/digest.ts'
import type { Miss } from '../../fleet/fleet.ts'
import { Lookout, Manners } from '../../fleet/watch.ts'
import { createPeerScores } from '../peer-score.ts'
import { createPeerLimits } from '../rate-limit.ts'
import { askDelegate, type DelegateHooks } from './delegate.ts'
import type { Attempt } from './hedge.ts'

/** An attempt at a delegate that gives no answer, and what has been seen of it. */
function asked(hooks: DelegateHooks = {}): {
  attempt: Attempt<unknown>
  clock: ReturnType<typeof createFakeClock>
  link: { heardAtMs: number }
  misses: Miss[]
} {
  const clock = createFakeClock()
  const link = { heardAtMs: -Infinity }
  const misses: Miss[] = []
  const lookout = new Lookout(clock)
  const manners = new Manners(clock)
  const attempt = askDelegate(
    'delegate',
    {
      version: { registry: 'http://registry.test/', name: 'pkg', version: '1.0.0' },
      digest: digestOf(Buffer.from('pkg')),
    },
    {
      ...{ clock, scores: createPeerScores(clock, () => undefined) },
      limitOf: createPeerLimits(clock, 0, 0),
      links: {
        stream: () => new Promise(() => undefined),
        heardAtMs: () => link.heardAtMs,
      },
      fleet: {
        missed: (_, why) => misses.push(why),
        succeeded: () => undefined,
        watch: (_, options) => lookout.watch(manners, options),
      },
    },
    hooks,
  )
  void attempt.run(new AbortController().signal, () => undefined)
  return { attempt, clock, link, misses }
}

/** How often it is looked at, `msBetween` each, before it is late. */
async function looks(
  { attempt, clock, link }: ReturnType<typeof asked>,
  { msBetween, isHeard = false }: { msBetween: number; isHeard?: boolean },
): Promise<number> {
  for (let count = 1; ; count += 1) {
    await clock.advance(msBetween)
    if (isHeard) link.heardAtMs = clock.now()
    if (attempt.isProgressing?.() !== true) return count
  }
}

test('a delegate is late after a fifth of a second of silence', async () => {
  const one = asked()
  const { hedgeMs = NaN } = one.attempt
  expect(hedgeMs * (await looks(one, { msBetween: hedgeMs }))).toBe(200)
  one.attempt.onLate?.()
  expect(one.misses).toEqual(['silent'])
})

test('time in which this machine was too busy to read is not held against it', async () => {
  const one = asked()
  const { hedgeMs = NaN } = one.attempt
  const idle = await looks(asked(), { msBetween: hedgeMs })
  expect(await looks(one, { msBetween: 900 })).toBe(idle)
})

test('its other answers show that it is there, for half a minute', async () => {
  const one = asked()
  const { hedgeMs = NaN } = one.attempt
  const count = await looks(one, { msBetween: hedgeMs, isHeard: true })
  expect(count * hedgeMs).toBe(30_000)
  one.attempt.onLate?.()
  expect(one.misses).toEqual(['slow'])
})

test('between chunks of a large artifact it may be silent for a second', async () => {
  const one = asked({ arrived: () => ({ bytes: 0, ageMs: 0 }) })
  const { hedgeMs = NaN } = one.attempt
  expect(hedgeMs * (await looks(one, { msBetween: hedgeMs }))).toBe(1_000)
})

const FETCHING_MS = 20_000

test.each<[string, number, number, Miss[]]>([
  ['two chunks of 64 KiB a second, whatever share that is', 128 * 1024, 5_000, ['slow']],
  ['the pace of a busy network', 300 * 1024, 30_000, []],
])('what it has fetched and sends at %s is waited for so long', async (_, perSecond, ms, says) => {
  const one: ReturnType<typeof asked> = asked({
    arrived: () => {
      const ageMs = one.clock.now() - FETCHING_MS
      return ageMs < 0 ? undefined : { bytes: Math.floor(ageMs / 500) * (perSecond / 2), ageMs }
    },
  })
  const { hedgeMs = NaN } = one.attempt
  const waitedMs = (await looks(one, { msBetween: hedgeMs, isHeard: true })) * hedgeMs
  expect(waitedMs).toBe(FETCHING_MS + ms)
  one.attempt.onLate?.()
  expect(one.misses).toEqual(says)
})
