/** Which peers are asked for metadata: how many, and what those achieve that have nothing. */
import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { createRegistrySigner } from '../../../../test/support/features-signatures.ts'
import { createCollectingLogger } from '../../../../test/support/collecting-logger.ts'
import type { PeerQuestions } from '@catalog-p2p/core'
import { createPackumentJobs } from '../packument-jobs.ts'
import type { SourceRequest } from '../packument-source.ts'
import { PACKUMENTS } from './packument-protocol.ts'
import { RefusedWords } from './refused-words.ts'
import { createPeerSource, type PeerSourceDependencies } from './peer-source.ts'

const NAME = 'fx-asked-for'
const REGISTRY = {
  ...{ url: 'https://registry.example/', origin: 'https://registry.example' },
  ...{ isPublicDefault: false, isPublic: true },
}
const signer = createRegistrySigner(() => 'key of the registry')
const { key } = signer.key as { key: string }
const jobs = createPackumentJobs()
afterAll(() => jobs.close())

function document(version: string): Buffer {
  const integrity = `sha512-${createHash('sha512').update(version).digest('base64')}`
  const sig = signer.sign(Buffer.from(`${NAME}@${version}:${integrity}`))
  const dist = { integrity, signatures: [{ keyid: signer.keyid, sig }] }
  const versions = { [version]: { name: NAME, version, dist } }
  return gzipSync(JSON.stringify({ name: NAME, 'dist-tags': { latest: version }, versions }))
}

/** `peers`: what each says, in their order; undefined: it has nothing. */
async function ask(
  peers: readonly (Buffer | undefined)[],
): Promise<{ versions: string[]; asked: number }> {
  let asked = 0
  const nothing = (): never => {
    throw new Error('nobody asks that here')
  }
  const questions: PeerQuestions = {
    holders: () => peers.map((_, index) => String(index)),
    async ask(protocol, { peer }) {
      asked += 1
      const said = peers[Number(peer)]
      if (said === undefined) return undefined
      const message = PACKUMENTS.response.encode({ fetchedAtMs: 1, document: said })
      return protocol.response.decode(message)
    },
    ...{ peers: nothing, announce: nothing, withdraw: nothing, answer: nothing, penalize: nothing },
  }
  const deps: PeerSourceDependencies = {
    ...{ node: { questions }, jobs, isKnownPublic: () => true, log: createCollectingLogger() },
    refusedWords: new RefusedWords(),
    witnesses: { ask: async () => undefined },
    onGone: () => undefined,
    trustedKeys: async () => [{ keyId: signer.keyid, spki: Buffer.from(key, 'base64') }],
  }
  const request: SourceRequest = {
    ...{ registry: REGISTRY, name: NAME, kind: 'full', validators: undefined, retries: undefined },
    ...{ credentialsAt: () => undefined, signal: new AbortController().signal },
  }
  const made = await createPeerSource(deps, { maxBytes: 1_000_000 }).fetch(request)
  if (made.status !== 'document') throw new Error(made.status)
  const text = gunzipSync(made.body).toString()
  const { versions } = JSON.parse(text) as { versions: Record<string, unknown> }
  return { versions: Object.keys(versions).sort(), asked }
}

test('three answers are enough', async () => {
  const all = ['1.0.0', '1.0.1', '1.0.2', '1.0.3'].map(document)
  expect(await ask(all)).toEqual({ versions: ['1.0.0', '1.0.1', '1.0.2'], asked: 3 })
})

test('a handful that list what they have not do not hide the ones that have', async () => {
  const liars = Array.from({ length: 6 }, () => undefined)
  const made = await ask([...liars, document('1.0.0'), document('1.0.1')])
  expect(made).toEqual({ versions: ['1.0.0', '1.0.1'], asked: 8 })
})

test('there is an end to it', async () => {
  await expect(ask(Array.from({ length: 50 }, () => undefined))).rejects.toThrow(/no peer has/)
})
