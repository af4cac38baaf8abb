/** The bitfield against a set of numbers. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Bitfield } from '../../core/src/content/bitfield.ts'
import { MalformedError } from '../../core/src/content/malformed.ts'

const steps = fc.integer({ min: 0, max: 70 }).chain((length) =>
  fc.record({
    length: fc.constant(length),
    steps:
      length === 0
        ? fc.constant([])
        : fc.array(fc.record({ add: fc.boolean(), index: fc.nat(length - 1) }), {
            maxLength: 120,
          }),
  }),
)

function run(plan: { length: number; steps: readonly { add: boolean; index: number }[] }): {
  field: Bitfield
  model: Set<number>
} {
  const field = new Bitfield(plan.length)
  const model = new Set<number>()
  for (const { add, index } of plan.steps) {
    const changed = add ? field.add(index) : field.remove(index)
    expect(changed).toBe(add !== model.has(index))
    if (add) model.add(index)
    else model.delete(index)
  }
  return { field, model }
}

describe('a bitfield', () => {
  test('behaves like a set', () => {
    fc.assert(
      fc.property(steps, (plan) => {
        const { field, model } = run(plan)
        expect(field.count).toBe(model.size)
        expect(field.complete).toBe(model.size === plan.length)
        expect([...field.present()]).toEqual([...model].sort((a, b) => a - b))
        for (let index = -1; index <= plan.length; index += 1) {
          expect(field.has(index)).toBe(model.has(index))
        }
      }),
    )
  })

  test('survives its encoding, and the encoding is its own', () => {
    fc.assert(
      fc.property(steps, (plan) => {
        const { field } = run(plan)
        const encoded = field.encode()
        const decoded = Bitfield.decode(encoded, plan.length)
        expect([...decoded.present()]).toEqual([...field.present()])
        expect(decoded.count).toBe(field.count)
        encoded.fill(0xff)
        expect([...decoded.present()]).toEqual([...field.present()])
      }),
    )
  })

  test('decoded from junk is exact or malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.nat(90), (bytes, length) => {
        try {
          const field = Bitfield.decode(bytes, length)
          expect(Buffer.from(field.encode()).equals(bytes)).toBe(true)
          expect([...field.present()].every((index) => index < length)).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('refuses chunks that there are not', () => {
    const field = new Bitfield(3)
    for (const index of [-1, 3, 1.5, Number.NaN]) {
      expect(() => field.add(index)).toThrow(RangeError)
      expect(() => field.remove(index)).toThrow(RangeError)
    }
  })
})
