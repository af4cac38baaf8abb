/** Whose words are looked at. */
import { expect, test } from 'vitest'
import { keyIdOf, openDatabase } from '@catalog-p2p/core'
import { createFakeNode } from '../../../../test/support/fake-node.ts'
import { keyOf } from '../../../../test/support/registries/publishing.ts'
import { StatementStore } from './statement-store.ts'
import { signWitness, type SignedList } from './witness-statement.ts'
import { createWitnesses } from './witnesses.ts'

const of = { registry: 'https://registry.example/', name: 'fx-one' }
const named = keyIdOf(keyOf('named').publicKey)

/** What a peer is penalized for that answers with these lists. */
async function penalties(lists: readonly SignedList[]): Promise<string[]> {
  const node = createFakeNode()
  const found: string[] = []
  Object.assign(node.questions, {
    holders: () => ['peer'],
    ask: () => Promise.resolve({ lists }),
    penalize: (_: string, why: string) => found.push(why),
  })
  const witnesses = createWitnesses(
    {
      ...{ node, cache: { find: () => undefined }, isKnownPublic: () => true },
      statements: new StatementStore(await openDatabase(':memory:')),
      ...{ onKept() {}, onWord: () => Promise.resolve() },
      log: { debug() {}, info() {}, warn() {}, error() {} },
    },
    { witnesses: [named], quorum: 1 },
  )
  const said = await witnesses.ask(of, { signal: new AbortController().signal })
  expect(said?.lists).toEqual([])
  await witnesses.close()
  return found
}

function forgedBy(owner: string): SignedList {
  const list = Buffer.from('a list')
  const statement = signWitness({ ...of, seenAtMs: 1, list }, keyOf(owner))
  statement[statement.byteLength - 1]! ^= 1
  return { statement, list }
}

test('a forged word of a witness is held against who sent it', async () => {
  expect(await penalties([forgedBy('named')])).toHaveLength(1)
})

test('a word of nobody who was named is not even verified', async () => {
  expect(await penalties([forgedBy('nobody')])).toEqual([])
})
