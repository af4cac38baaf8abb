/** What every host's routing does with values: a kind decides which are valid and which is the best. */
import { describe, expect, it } from 'vitest'
import { isCatalogError } from '../../core/src/errors.ts'
import type { FoundValue, Host, ValueKind, ValueRouting } from '../../core/src/host/host.ts'
import { MAX_VALUE_BYTES } from '../../core/src/host/value-kinds.ts'
import { deadline } from './host-pairs.ts'

const KEY = '/counter/abc'
const DEADLINE_MS = 15_000

/** `<number>` and padding; the greatest is the best. */
const COUNTER: ValueKind = {
  prefix: 'counter',
  validate(_key, value) {
    if (Number.isNaN(numberIn(value))) throw new Error('not a number')
  },
  select: (_key, values) => {
    const numbers = values.map(numberIn)
    return numbers.indexOf(Math.max(...numbers))
  },
}

const numberIn = (value: Uint8Array): number => Number.parseInt(Buffer.from(value).toString(), 10)
const counter = (count: number): Buffer => Buffer.from(`${count}`)

/** `createHosts`: not started; each of them can reach the others' values once they have started. */
export function routingContract(
  name: string,
  createHosts: (count: number) => { hosts: readonly Host[]; start: () => Promise<void> },
): void {
  async function started(count: number): Promise<ValueRouting[]> {
    const { hosts, start } = createHosts(count)
    const routings = hosts.map(({ routing }) => {
      if (routing === undefined) throw new Error('a host without routing')
      routing.acceptValues(COUNTER)
      return routing
    })
    await start()
    return routings
  }

  describe(`Routing: ${name}: values`, () => {
    it('put by one are found by others, the best of them', async () => {
      const [a, b, c] = (await started(3)) as [ValueRouting, ValueRouting, ValueRouting]
      await put(a, KEY, counter(1))
      await eventually(async () => (await get(c, KEY)) === '1')
      await put(b, KEY, counter(2))
      await eventually(async () => (await get(c, KEY)) === '2')
      await eventually(async () => (await get(a, KEY)) === '2')
    })

    it('are found with the time since when their servers have them', async () => {
      const [a, b, c] = (await started(3)) as [ValueRouting, ValueRouting, ValueRouting]
      await put(a, KEY, counter(1))
      await eventually(async () => (await get(b, KEY)) === '1')
      await put(c, KEY, counter(1))
      const found = await find(b)
      expect(found?.heldMs.length).toBeGreaterThan(0)
      expect(Math.max(...(found?.heldMs ?? []))).toBeLessThan(DEADLINE_MS)
      expect(Math.min(...(found?.heldMs ?? []))).toBeGreaterThanOrEqual(0)
    })

    it('are bytes of any content up to 8 KiB', async () => {
      const [a, b] = (await started(2)) as [ValueRouting, ValueRouting]
      const value = Buffer.alloc(MAX_VALUE_BYTES, '7')
      await put(a, KEY, value)
      await eventually(async () => (await get(b, KEY)) === value.toString())
      const larger = Buffer.alloc(MAX_VALUE_BYTES + 1, '8')
      await expect(a.putValue(KEY, larger, deadline())).rejects.toThrow(RangeError)
    })

    it('that no one has are undefined', async () => {
      const [a] = (await started(2)) as [ValueRouting]
      expect(await find(a, '/counter/none')).toBeUndefined()
    })

    it('that their kind refuses are not put', async () => {
      const [a, b] = (await started(2)) as [ValueRouting, ValueRouting]
      await expect(a.putValue(KEY, Buffer.from('x'), deadline())).rejects.toThrow('not a number')
      expect(await find(b)).toBeUndefined()
    })

    it('need a kind, one per prefix', async () => {
      const [a] = (await started(2)) as [ValueRouting]
      for (const key of ['/other/abc', 'counter/abc', '/counter/', `/counter/${'a'.repeat(300)}`]) {
        await expect(a.putValue(key, counter(1), deadline())).rejects.toThrow('no kind')
        await expect(find(a, key)).rejects.toThrow('no kind')
      }
      expect(() => a.acceptValues(COUNTER)).toThrow('two kinds')
    })

    it('an abort rejects with its own reason', async () => {
      const [a] = (await started(2)) as [ValueRouting]
      const signal = AbortSignal.abort(new Error('enough'))
      await expect(a.putValue(KEY, counter(1), { signal })).rejects.toBe(signal.reason)
      await expect(find(a, KEY, { signal })).rejects.toBe(signal.reason)
    })
  })
}

/** What there is at the end. */
async function find(
  routing: ValueRouting,
  key = KEY,
  options: { signal: AbortSignal } = deadline(),
): Promise<FoundValue | undefined> {
  let last: FoundValue | undefined
  for await (const found of routing.findValue(key, options)) last = found
  return last
}

async function get(routing: ValueRouting, key: string): Promise<string | undefined> {
  const found = await find(routing, key)
  return found && Buffer.from(found.value).toString()
}

/** Routing tables fill after the connections are there. */
async function put(routing: ValueRouting, key: string, value: Uint8Array): Promise<void> {
  await eventually(async () => {
    try {
      await routing.putValue(key, value, deadline())
      return true
    } catch (error) {
      if (isCatalogError(error, 'PEER_UNREACHABLE')) return false
      throw error
    }
  })
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + DEADLINE_MS
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('it did not happen in time')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
