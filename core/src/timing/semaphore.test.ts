import { describe, expect, test } from 'vitest'
import { createSemaphore } from './semaphore.ts'

const never = new AbortController().signal
const turn = (): Promise<void> => new Promise(setImmediate)

describe('createSemaphore', () => {
  test('first come, first served', async () => {
    const semaphore = createSemaphore(1)
    await semaphore.acquire(never)
    const order: number[] = []
    const line = [1, 2, 3].map(async (number) => {
      await semaphore.acquire(never)
      order.push(number)
      semaphore.release()
    })
    await turn()
    expect(order).toEqual([])
    expect(semaphore.waiting).toBe(3)
    semaphore.release()
    await Promise.all(line)
    expect(order).toEqual([1, 2, 3])
    expect(semaphore.waiting).toBe(0)
  })

  test('who gives up leaves the line at once, and takes no place from those behind', async () => {
    const semaphore = createSemaphore(1)
    await semaphore.acquire(never)
    const stop = new AbortController()
    const reason = new Error('too late')
    const leaving = [semaphore.acquire(stop.signal), semaphore.acquire(stop.signal)]
    const staying = semaphore.acquire(never)
    stop.abort(reason)
    for (const left of leaving) await expect(left).rejects.toBe(reason)
    expect(semaphore.waiting).toBe(1)
    semaphore.release()
    await staying
  })

  test('an aborted signal takes no place', async () => {
    const semaphore = createSemaphore(1)
    await expect(semaphore.acquire(AbortSignal.abort(new Error('before')))).rejects.toThrow(
      'before',
    )
    await semaphore.acquire(never)
  })

  test('closing rejects who waits and who comes', async () => {
    const semaphore = createSemaphore(1)
    await semaphore.acquire(never)
    const waiting = semaphore.acquire(never)
    semaphore.close(new Error('over'))
    await expect(waiting).rejects.toThrow('over')
    await expect(semaphore.acquire(never)).rejects.toThrow('over')
  })
})
