import { describe, expect, test } from 'vitest'
import { createTurns } from './turns.ts'

const never = new AbortController().signal
const turn = (): Promise<void> => new Promise(setImmediate)

describe('createTurns', () => {
  test('first come, first served', async () => {
    const turns = createTurns(1)
    await turns.take(never)
    const order: number[] = []
    const line = [1, 2, 3].map(async (number) => {
      await turns.take(never)
      order.push(number)
      turns.release()
    })
    await turn()
    expect(order).toEqual([])
    expect(turns.waiting).toBe(3)
    turns.release()
    await Promise.all(line)
    expect(order).toEqual([1, 2, 3])
    expect(turns.waiting).toBe(0)
  })

  test('who gives up leaves the line at once, and takes no place from those behind', async () => {
    const turns = createTurns(1)
    await turns.take(never)
    const stop = new AbortController()
    const reason = new Error('too late')
    const leaving = [turns.take(stop.signal), turns.take(stop.signal)]
    const staying = turns.take(never)
    stop.abort(reason)
    for (const left of leaving) await expect(left).rejects.toBe(reason)
    expect(turns.waiting).toBe(1)
    turns.release()
    await staying
  })

  test('an aborted signal takes no place', async () => {
    const turns = createTurns(1)
    await expect(turns.take(AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
    await turns.take(never)
  })

  test('closing rejects who waits and who comes', async () => {
    const turns = createTurns(1)
    await turns.take(never)
    const waiting = turns.take(never)
    turns.close(new Error('over'))
    await expect(waiting).rejects.toThrow('over')
    await expect(turns.take(never)).rejects.toThrow('over')
  })
})
