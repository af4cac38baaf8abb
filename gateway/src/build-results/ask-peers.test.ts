/** Whom a build waits for, and who is asked no more for a while. */
import { expect, test } from 'vitest'
import { keyIdOf } from '@catalog-p2p/core'
import { createFakeNode } from '../../../test/support/fake-node.ts'
import { keyOf } from '../../../test/support/registries/publishing.ts'
import { BuildPeers } from './ask-peers.ts'

const log = { debug() {}, info() {}, warn() {}, error() {} }
const writers = [keyIdOf(keyOf('ann').publicKey)]

/** Asks one peer that answers nothing. */
function asker(waitMs: number) {
  let asked = 0
  const node = createFakeNode()
  Object.assign(node.questions, {
    peers: () => ['silent'],
    ask(_: unknown, { signal }: { signal: AbortSignal }) {
      asked += 1
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      })
    },
  })
  const peers = new BuildPeers({ node, log }, { waitMs })
  const ask = (signal: AbortSignal) => peers.ask('00'.repeat(32), { writers, signal })
  return { ask, count: () => asked }
}

test('a peer that keeps a build waiting is not asked for the next one', async () => {
  const { ask, count } = asker(1)
  const nothing = { trusted: [], untrusted: 0 }
  expect(await ask(new AbortController().signal)).toEqual(nothing)
  expect(await ask(new AbortController().signal)).toEqual(nothing)
  expect(count()).toBe(1)
})

test('a build that is called off says nothing about its peers', async () => {
  const { ask, count } = asker(60_000)
  for (const expected of [1, 2]) {
    const leaving = new AbortController()
    const asking = ask(leaving.signal)
    leaving.abort(new Error('called off'))
    await expect(asking).rejects.toThrow('called off')
    expect(count()).toBe(expected)
  }
})
