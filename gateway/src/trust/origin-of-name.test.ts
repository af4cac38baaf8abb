import { describe, expect, test } from 'vitest'
import { keyIdFromBytes } from '@catalog-p2p/core'
import { decideFirstUse, originsBy, requireRegistry, type FirstUseFacts } from './origin-of-name.ts'
import type { TrustEntry } from './trust-entries.ts'

const [A, B, C] = [1, 2, 3].map((each) => keyIdFromBytes(new Uint8Array(32).fill(each)))
if (A === undefined || B === undefined || C === undefined) throw new Error('three keys')
const entry = { kind: 'key', how: 'added', comment: '' } as const
const ofScope = { ...entry, subject: '@acme', id: A }
const ofName = { ...entry, subject: '@acme/tool', id: B }
const learned = { ...entry, subject: '@acme/tool', id: C, how: 'first-use' } as const

/** Every order of every choice among `all`. */
function arrivals<T>(all: readonly T[]): T[][] {
  const longer = all.flatMap((each) =>
    arrivals(all.filter((other) => other !== each)).map((rest) => [each, ...rest]),
  )
  const unique = new Map(
    [[], ...longer].map((list) => [list.map((one) => all.indexOf(one)).join(), list]),
  )
  return [...unique.values()]
}

describe('the origin of a name', () => {
  const orders = arrivals<TrustEntry>([ofScope, ofName, learned])
  expect(orders).toHaveLength(16)

  test.each(
    orders.map((entries) => [entries.map(({ subject, how }) => `${subject} ${how}`), entries]),
  )('does not depend on what came first: %j', (_, entries) => {
    const best = [ofName, ofScope, learned].find((each) => entries.includes(each))
    const origin = originsBy(entries)('@acme/tool')
    expect(origin).toEqual(
      best === undefined
        ? { kind: 'registry' }
        : {
            kind: 'network',
            publishers: [best.id],
            roots: [],
            subject: best.subject,
            how: best.how,
          },
    )
  })

  test.each([
    ['@acme/other', 'network'],
    ['@ACME/Tool', 'network'],
    ['@acme/-', 'network'],
    ['Left-Pad', 'network'],
    ['@acme-corp/tool', 'registry'],
    ['acme', 'registry'],
    ['left-pad2', 'registry'],
  ])('%s is of the %s', (name, kind) => {
    const origins = originsBy([ofScope, { ...entry, subject: 'left-pad', id: B }])
    expect(origins(name).kind).toBe(kind)
  })

  test('lists keys and roots apart', () => {
    const root = { ...ofScope, kind: 'root', id: C } as const
    const origin = originsBy([ofScope, root, { ...ofScope, subject: '@Acme', id: B }])('@acme/x')
    expect(origin).toMatchObject({ publishers: [A, B], roots: [C] })
  })

  test('of a name of the network is no registry, and the error says what to do', () => {
    expect(() => requireRegistry('@acme/x', originsBy([ofScope]))).toThrow(/no registry is asked/)
    expect(() => requireRegistry('@acme/x', originsBy([]))).not.toThrow()
  })
})

describe('trust on first use', () => {
  const registry = { kind: 'registry' } as const
  const network = originsBy([ofScope])('@acme/x')
  test.each<[FirstUseFacts, string]>([
    [{ isWanted: true, origin: registry, atRegistry: 'has it not' }, 'bind'],
    [{ isWanted: true, origin: registry, atRegistry: 'no registry' }, 'bind'],
    [{ isWanted: true, origin: registry, atRegistry: 'has it' }, 'a registry has'],
    [{ isWanted: true, origin: registry, atRegistry: 'unknown' }, 'cannot be asked'],
    [{ isWanted: true, origin: network, atRegistry: 'has it not' }, 'in the trust file already'],
    [{ isWanted: false, origin: registry, atRegistry: 'has it not' }, 'nobody has said'],
    [{ isWanted: false, origin: registry, atRegistry: 'no registry' }, 'nobody has said'],
  ])('%j: %s', (facts, expected) => {
    const found = decideFirstUse(facts)
    expect(found.verdict === 'bind' ? found.verdict : found.why).toContain(expected)
  })
})
