import { expect, test } from 'vitest'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { startAll, startLater, startParts, stopAll, type Part } from './lifecycle.ts'
import type { Logger } from './log.ts'

const never = new Promise<void>(() => undefined)

function world() {
  const clock = createFakeClock()
  const done: string[] = []
  const errors: unknown[] = []
  const log: Logger = {
    ...{ debug: () => undefined, info: () => undefined, warn: () => undefined },
    error: (_, facts) => errors.push(facts?.part),
  }
  const part = (name: string, stop: () => unknown = () => undefined): Part => ({
    name,
    start: () => void done.push(`+${name}`),
    stop: () => {
      done.push(`-${name}`)
      return stop()
    },
  })
  return { clock, done, errors, part, deps: { clock, log } }
}

test('in order, and in reverse', async () => {
  const { done, part, deps } = world()
  const parts = [part('store'), part('host')]
  await startAll(parts, deps)
  await stopAll(parts, deps)
  expect(done).toEqual(['+store', '+host', '-host', '-store'])
})

test('what a stop would wait for begins before the parts that are stopped first', async () => {
  const { done, part, deps } = world()
  const store: Part = { ...part('store'), prepareStop: () => void done.push('~store') }
  for (const after of [undefined, Promise.resolve()]) {
    done.length = 0
    const { stop } = await startParts({ local: [store], shared: [part('host')], after }, deps)
    await Promise.resolve()
    await stop()
    expect(done).toEqual(['+store', '+host', '~store', '-host', '-store'])
  }
})

test('a start that fails stops what has started, and nothing else', async () => {
  const { done, part, deps } = world()
  const broken: Part = { ...part('host'), start: () => Promise.reject(new Error('no network')) }
  await expect(startAll([part('store'), broken, part('seeder')], deps)).rejects.toThrow(
    'no network',
  )
  expect(done).toEqual(['+store', '-store'])
})

test('late parts: when it is time, and never after they were stopped', async () => {
  const { done, part, deps } = world()
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const late = startLater([part('host'), part('seeder')], first.promise, deps)
  expect(done).toEqual([])
  first.resolve()
  await first.promise
  await late.stop()
  expect(done).toEqual(['+host', '+seeder', '-seeder', '-host'])
  const tooLate = startLater([part('other')], second.promise, deps)
  await tooLate.stop()
  second.resolve()
  await second.promise
  expect(done).toHaveLength(4)
})

test('late parts that fail: it is said, and nothing is left of them', async () => {
  const { done, part, deps, errors } = world()
  const broken: Part = { ...part('seeder'), start: () => Promise.reject(new Error('no network')) }
  const late = startLater([part('host'), broken], Promise.resolve(), deps)
  await Promise.resolve()
  await late.stop()
  expect(done).toEqual(['+host', '-host'])
  expect(errors).toHaveLength(1)
})

test('late parts that are still starting are not waited for without end, and stopped when they have started', async () => {
  const { clock, done, part, deps } = world()
  const ready = Promise.withResolvers<void>()
  const slow: Part = { ...part('host'), start: () => ready.promise }
  const shared = [slow, part('seeder', () => never)]
  const parts = { local: [part('store')], shared, after: Promise.resolve() }
  const { stop } = await startParts(parts, deps)
  await clock.advance(0)
  let isOver = false
  const stopping = stop().then(() => (isOver = true))
  await clock.advance(14_000)
  expect({ isOver, done }).toEqual({ isOver: false, done: ['+store'] })
  await clock.advance(1_000)
  await stopping
  expect(done).toEqual(['+store', '-store'])
  ready.resolve()
  await clock.advance(0)
  await clock.advance(1_000)
  expect(done.slice(2)).toEqual(['+seeder', '-seeder', '-host'])
})

test('late parts and the others have one time together', async () => {
  const { clock, done, part, deps } = world()
  const local = [part('store'), part('downloads', () => never)]
  const parts = { local, shared: [part('host', () => never)], after: Promise.resolve() }
  const { stop } = await startParts(parts, deps)
  await clock.advance(0)
  const stopping = stop()
  await clock.advance(15_000)
  await clock.advance(1_000)
  await stopping
  expect(done).toEqual(['+store', '+downloads', '+host', '-host', '-downloads', '-store'])
})

test('parts that never stop: the others are stopped all the same, in a bounded time', async () => {
  const { clock, done, errors, part, deps } = world()
  const parts = [part('store'), part('host', () => never), part('discovery', () => never)]
  let isOver = false
  const stopping = stopAll(parts, deps).then(() => (isOver = true))
  await clock.advance(14_000)
  expect({ isOver, done }).toEqual({ isOver: false, done: ['-discovery'] })
  await clock.advance(3_000)
  await stopping
  expect(done).toEqual(['-discovery', '-host', '-store'])
  expect(errors).toEqual(['discovery', 'host'])
})

test('what is local is waited for: a store is never cut off', async () => {
  const { clock, done, errors, part, deps } = world()
  const written = Promise.withResolvers<void>()
  const store: Part = { ...part('store', () => written.promise), isLocal: true }
  let isOver = false
  const stopping = stopAll([store, part('host')], deps).then(() => (isOver = true))
  await clock.advance(60_000)
  expect(isOver).toBe(false)
  written.resolve()
  await stopping
  expect(errors).toEqual([])
  expect(done).toEqual(['-host', '-store'])
})

test('one that fails does not keep the others from stopping, and a late failure ends nothing', async () => {
  const { clock, done, errors, part, deps } = world()
  const late = Promise.withResolvers<void>()
  const parts = [
    part('store'),
    part('host', () => late.promise),
    part('discovery', () => Promise.reject(new Error('broken'))),
  ]
  const stopping = stopAll(parts, deps)
  await clock.advance(20_000)
  await stopping
  late.reject(new Error('much too late'))
  await clock.advance(0)
  expect(errors).toEqual(['discovery', 'host'])
  expect(done).toEqual(['-discovery', '-host', '-store'])
})
