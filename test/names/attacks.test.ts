/**
 * Lies about what witnesses say, with real QUIC and no registry in reach: a witness that lies, k-1 of them, their words forged, of
 * another name, or too old, a takedown that a peer makes up. None is believed, and the answer says that nothing is verified.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { generateKey, keyIdOf, packageKeyOf, witnessKeyOf } from '@catalog-p2p/core'
import type { CatalogNode, HybridKey } from '@catalog-p2p/core'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { WITNESSES } from '../../gateway/src/packuments/witness/witness-protocol.ts'
import {
  signWitness,
  type SignedList,
} from '../../gateway/src/packuments/witness/witness-statement.ts'
import { packList } from '../../gateway/src/packuments/witness/witnessed-list.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { meet, quietNode, startMachine, type Machine } from '../support/machines/machine.ts'
import { tarballPath } from '../support/registries/registry.ts'
import { signedSwarm, type SignedSwarm } from '../support/signed-swarm.ts'

const NAME = 'fx-lied'
const older = makePackage(NAME, '1.0.0')
const newer = makePackage(NAME, '1.1.0')
const [one, two, stranger] = [generateKey(), generateKey(), generateKey()]
const HOUR = 3_600_000

let folder: string
let swarm: SignedSwarm
let honest: Machine
let liar: CatalogNode
/** What the liar says of the package. */
let lies: readonly SignedList[] = []
let machine: Machine | undefined
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-attacks-'))
  swarm = await signedSwarm(folder, [older, newer])
  honest = await swarm.machine()
  expect((await fetch(`${honest.url}/${NAME}`)).status).toBe(200)
  await (await fetch(honest.url + tarballPath(newer))).arrayBuffer()
  await swarm.registry.stop()
  liar = await quietNode()
  liar.questions.announce(witnessKeyOf(about()))
  const answer = () => Promise.resolve({ lists: lies })
  liar.questions.answer(WITNESSES, { maxStreamsPerPeer: 8, answer })
})
afterEach(() => machine?.[Symbol.asyncDispose]())
afterAll(async () => {
  await swarm[Symbol.asyncDispose]()
  await liar.close()
  await rm(folder, { recursive: true, force: true })
})

const about = (name = NAME) => ({ registry: `${swarm.registry.url}/`, name })

interface Said {
  latest?: string
  gone?: Record<string, string>
  ageMs?: number
  name?: string
}

function word(key: HybridKey, { latest = '1.1.0', gone = {}, ageMs = 0, name }: Said): SignedList {
  const list = packList({ 'dist-tags': { latest }, versions: {} }, gone) ?? Buffer.of()
  const seenAtMs = Date.now() - ageMs
  return { statement: signWitness({ ...about(name), seenAtMs, list }, key), list }
}

/** A new machine that has heard of both, and will hear these lies. */
async function victim(lists: readonly SignedList[]): Promise<Machine> {
  lies = lists
  const witnesses = [one, two].map(({ publicKey }) => keyIdOf(publicKey))
  const { registry, keyringPath } = swarm
  const gateway = { witnesses, takedown: 'deny' } as const
  const started = await startMachine({ upstream: registry.url, keyringPath, gateway })
  machine = started
  const { node } = started
  await meet(node, honest.node, 0)
  await meet(node, liar, 0)
  await vi.waitFor(() => {
    expect(node.questions.holders(packageKeyOf(about()))).toContain(honest.node.id)
    expect(node.questions.holders(witnessKeyOf(about()))).toEqual([liar.id])
  }, 10_000)
  return started
}

function forged(list: SignedList): SignedList {
  return { ...list, list: gzipSync('{"tags":{"latest":"1.0.0"},"versions":{},"gone":{}}') }
}

test.each<[string, () => SignedList[], string]>([
  ['a witness that lies alone', () => [word(one, { latest: '1.0.0' })], '1 of 2 witnesses needed'],
  [
    'one that lies beside one that does not',
    () => [word(one, { latest: '1.0.0' }), word(two, {})],
    '2 witnesses disagree on latest',
  ],
  ['a key that was not named', () => [word(one, {}), word(stranger, {})], '1 of 2'],
  ['a word of another name', () => [word(one, {}), word(two, { name: 'fx-other' })], '1 of 2'],
  [
    'words of yesterday',
    () => [one, two].map((key) => word(key, { ageMs: 25 * HOUR })),
    '2 too old',
  ],
  ['a list that was not signed', () => [forged(word(one, {})), forged(word(two, {}))], '0 of 2'],
])('%s is not believed', { timeout: 30_000 }, async (_what, lists, note) => {
  const { url } = await victim(lists())
  const response = await fetch(`${url}/${NAME}`)
  const { 'dist-tags': tags } = (await response.json()) as { 'dist-tags': Record<string, string> }
  expect(response.headers.get('x-catalog-metadata')).toBe('peer')
  expect(response.headers.get('x-catalog-witnesses')).toContain(note)
  expect(tags.latest).toBe('1.1.0')
})

test(
  'a takedown takes a quorum; a peer or one witness makes none',
  { timeout: 60_000 },
  async () => {
    const gone = { '1.1.0': 'removed' }
    const safe = await victim([word(one, { gone }), word(stranger, { gone })])
    expect((await fetch(`${safe.url}/${NAME}`)).status).toBe(200)
    expect((await fetch(safe.url + tarballPath(newer))).status).toBe(200)
  },
)

test('what a quorum says is gone is denied, and says so', { timeout: 30_000 }, async () => {
  const gone = { '1.1.0': 'MAL-2026-7' }
  const { url } = await victim([word(one, { gone }), word(two, { gone })])
  const metadata = (await (await fetch(`${url}/${NAME}`)).json()) as {
    versions: Record<string, unknown>
  }
  expect(Object.keys(metadata.versions)).toEqual(['1.0.0'])
  const response = await fetch(url + tarballPath(newer))
  expect(response.status).toBe(403)
  expect(await response.text()).toContain('MAL-2026-7), as a quorum of witnesses says')
})
