import { expect, test } from 'vitest'
import { createPacedFlights } from './paced-flights.ts'

/** Questions that are answered by hand, and callers that give up by hand. */
function world() {
  const { patient, hurried } = createPacedFlights<string>()
  const asked: PromiseWithResolvers<string>[] = []
  const work = (signal: AbortSignal): Promise<string> => {
    const answer = Promise.withResolvers<string>()
    signal.addEventListener('abort', () => answer.reject(signal.reason))
    asked.push(answer)
    return answer.promise
  }
  const { signal } = new AbortController()
  return {
    asked,
    wait: () => patient('key', work, signal),
    hurry() {
      const late = new AbortController()
      const inTime = (asking: typeof work): Promise<string> => asking(late.signal)
      const answer = hurried('key', work, { inTime, signal })
      answer.catch(() => undefined)
      return { answer, giveUp: () => late.abort(new Error('too late')) }
    },
  }
}

test('who is in a hurry joins a patient question, and leaves it as it is', async () => {
  const { asked, wait, hurry } = world()
  const waiting = wait()
  const { answer, giveUp } = hurry()
  giveUp()
  await expect(answer).rejects.toThrow('too late')
  asked[0]?.resolve('it')
  expect(await waiting).toBe('it')
  expect(asked).toHaveLength(1)
})

test('of those in a hurry each gives up for itself alone', async () => {
  const { asked, hurry } = world()
  const [first, second] = [hurry(), hurry()]
  first.giveUp()
  await expect(first.answer).rejects.toThrow('too late')
  asked[0]?.resolve('it')
  expect(await second.answer).toBe('it')
  expect(asked).toHaveLength(1)
})

test('who is patient does not end with those in a hurry, and hears once that there is nothing', async () => {
  const { asked, wait, hurry } = world()
  const { answer, giveUp } = hurry()
  const waiting = wait()
  giveUp()
  await expect(answer).rejects.toThrow('too late')
  asked[1]?.reject(new Error('not found'))
  await expect(waiting).rejects.toThrow('not found')
  expect(asked).toHaveLength(2)
})
