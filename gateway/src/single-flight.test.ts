import { expect, test } from 'vitest'
import { createSingleFlight } from './single-flight.ts'

const forever = new AbortController().signal

test('joins work under way, and starts anew afterwards', async () => {
  const flights = createSingleFlight<number>()
  let runs = 0
  const gate = Promise.withResolvers<void>()
  const work = async () => {
    await gate.promise
    return (runs += 1)
  }
  const all = Promise.all([1, 2, 3].map(() => flights.run('a', work, forever)))
  expect(flights.size).toBe(1)
  gate.resolve()
  expect(await all).toEqual([1, 1, 1])
  expect(flights.size).toBe(0)
  expect(await flights.run('a', work, forever)).toBe(2)
})

test('tells everyone of a failure, and forgets it', async () => {
  const flights = createSingleFlight<number>()
  const fail = () => Promise.reject(new Error('no'))
  const all = await Promise.allSettled([1, 2].map(() => flights.run('a', fail, forever)))
  expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await flights.run('a', async () => 7, forever)).toBe(7)
})

test('who leaves leaves alone; the last one ends the work', async () => {
  const flights = createSingleFlight<number>()
  const [first, second] = [new AbortController(), new AbortController()]
  let given: AbortSignal | undefined
  const work = (signal: AbortSignal) => {
    given = signal
    return new Promise<number>(() => undefined)
  }
  const one = flights.run('a', work, first.signal)
  const two = flights.run('a', work, second.signal)
  first.abort(new Error('first'))
  await expect(one).rejects.toThrow('first')
  expect(given?.aborted).toBe(false)
  second.abort(new Error('second'))
  await expect(two).rejects.toThrow('second')
  expect(given?.aborted).toBe(true)
  expect(await flights.run('a', async () => 1, forever)).toBe(1)
})

test('a caller that is gone already starts nothing', async () => {
  const flights = createSingleFlight<number>()
  const gone = AbortSignal.abort(new Error('gone'))
  let ran = false
  const work = async () => {
    ran = true
    return 1
  }
  await expect(flights.run('a', work, gone)).rejects.toThrow('gone')
  expect(ran).toBe(false)
})
