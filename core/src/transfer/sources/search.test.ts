import { describe, expect, test } from 'vitest'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import { digestOf } from '../../content/digest.ts'
import type { Discovery } from '../../discovery/discovery.ts'
import { isCatalogError } from '../../errors.ts'
import type { Attempt } from './hedge.ts'
import { createSearchAttempt } from './search.ts'

const digest = digestOf(Buffer.from('an artifact'))
const never = new AbortController().signal
const ignored = (): void => undefined

function world(
  providers: Record<string, number | 'fails' | 'gives way' | 'silent'>,
  searchEnds = true,
) {
  const clock = createFakeClock()
  const state = { searching: false, asked: [] as string[], aborted: [] as string[] }
  const discovery: Partial<Discovery> = {
    async *search(_, { signal }) {
      state.searching = true
      try {
        for (const peer of Object.keys(providers)) yield peer
        if (!searchEnds) await clock.sleep(1e9, signal)
      } finally {
        state.searching = false
      }
    },
  }
  const ask = (peer: string): Attempt<string> | undefined => {
    if (peer === 'banned') return undefined
    return {
      hedgeMs: 50,
      async run(signal, startNext) {
        state.asked.push(peer)
        const outcome = providers[peer]
        if (outcome === 'fails') throw new Error(`${peer} failed`)
        try {
          if (outcome === 'gives way') startNext()
          await clock.sleep(typeof outcome === 'number' ? outcome : 1e9, signal)
        } catch (error) {
          state.aborted.push(peer)
          throw error
        }
        return peer
      },
    }
  }
  const attempt = createSearchAttempt(digest, { discovery: discovery as Discovery, clock, ask })
  return { clock, state, attempt }
}

describe('createSearchAttempt', () => {
  test('a silent provider does not keep the next one from being asked', async () => {
    const { clock, state, attempt } = world({ silent: 'silent', good: 10 }, false)
    const running = attempt.run(never, ignored)
    await clock.advance(60)
    expect(await running).toBe('good')
    await clock.advance(0)
    expect(state).toEqual({ searching: false, asked: ['silent', 'good'], aborted: ['silent'] })
    await clock.advance(50)
    expect(clock.sleepers).toBe(0)
  })

  test('one that fails is followed by the next at once; one not worth asking is passed over', async () => {
    const { clock, state, attempt } = world({ first: 'fails', banned: 1, second: 0 })
    const running = attempt.run(never, ignored)
    await clock.advance(0)
    expect(await running).toBe('second')
    expect(state.asked).toEqual(['first', 'second'])
  })

  test('one that gives way is followed by the next at once, and may still answer', async () => {
    const { clock, state, attempt } = world({ first: 'gives way', second: 0 })
    const running = attempt.run(never, ignored)
    await clock.advance(0)
    expect(await running).toBe('second')
    await clock.advance(0)
    expect(state).toMatchObject({ asked: ['first', 'second'], aborted: ['first'] })
  })

  test('a search that goes on ends when a provider has answered', async () => {
    const { clock, state, attempt } = world({ good: 500 }, false)
    const running = attempt.run(never, ignored)
    await clock.advance(500)
    expect(await running).toBe('good')
    expect(state.searching).toBe(false)
  })

  test('nobody: NO_PROVIDERS with what was last', async () => {
    const { clock, attempt } = world({ first: 'fails' })
    const failed = attempt.run(never, ignored).catch((error: unknown) => error)
    await clock.advance(100)
    const error = await failed
    expect(isCatalogError(error, 'NO_PROVIDERS')).toBe(true)
    expect((error as Error).cause).toEqual(new Error('first failed'))
  })

  test('aborted: its reason, and the search ends', async () => {
    const { clock, state, attempt } = world({ silent: 'silent' }, false)
    const stop = new AbortController()
    const failed = attempt.run(stop.signal, ignored).catch((error: unknown) => error)
    await clock.advance(100)
    const reason = new Error('over')
    stop.abort(reason)
    expect(await failed).toBe(reason)
    await clock.advance(0)
    expect(state.searching).toBe(false)
    expect(clock.sleepers).toBe(0)
  })
})
