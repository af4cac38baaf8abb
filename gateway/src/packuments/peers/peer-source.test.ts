/** Which peers are asked for metadata: how many, what those achieve that have nothing, and what need not be sent again. */
import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { createRegistrySigner } from '../../../../test/support/features/features-signatures.ts'
import { createCollectingLogger } from '../../../../test/support/collecting-logger.ts'
import type { PeerQuestions } from '@catalog-p2p/core'
import { createPackumentJobs } from '../worker/packument-jobs.ts'
import type { Received, SourceRequest } from '../packument-source.ts'
import { PACKUMENTS } from './packument-protocol.ts'
import { isAmong } from './peer-validator.ts'
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

interface Asked {
  readonly made: Received
  readonly asked: number
  readonly penalized: readonly string[]
}

interface AskOptions {
  /** Of what was made of an earlier question. */
  readonly etag?: string | undefined
  readonly areWitnessesNamed?: boolean
}

/** `peers`: what each says, in their order; undefined: it has nothing. */
async function ask(
  peers: readonly (Uint8Array | undefined)[],
  { etag, areWitnessesNamed = false }: AskOptions = {},
): Promise<Asked> {
  let asked = 0
  const penalized: string[] = []
  const nothing = (): never => {
    throw new Error('nobody asks that here')
  }
  const questions: PeerQuestions = {
    holders: () => peers.map((_, index) => String(index)),
    async ask(protocol, { peer, request }) {
      asked += 1
      const said = peers[Number(peer)]
      if (said === undefined) return undefined
      const { known } = PACKUMENTS.request.decode(protocol.request.encode(request))
      const document = isAmong(known, said) ? Buffer.of() : said
      return protocol.response.decode(
        PACKUMENTS.response.encode({ fetchedAtMs: 1 + asked, document }),
      )
    },
    penalize: (peer) => void penalized.push(peer),
    ...{ peers: nothing, announce: nothing, withdraw: nothing, answer: nothing },
  }
  const deps: PeerSourceDependencies = {
    ...{ node: { questions }, jobs, isKnownPublic: () => true, log: createCollectingLogger() },
    refusedWords: new RefusedWords(),
    witnesses: { areNamed: areWitnessesNamed, ask: async () => undefined },
    onGone: () => undefined,
    trustedKeys: async () => [{ keyId: signer.keyid, spki: Buffer.from(key, 'base64') }],
  }
  const request: SourceRequest = {
    ...{ registry: REGISTRY, name: NAME, kind: 'full', retries: undefined },
    validators: { etag, lastModified: undefined },
    ...{ credentialsAt: () => undefined, signal: new AbortController().signal },
  }
  const made = await createPeerSource(deps, { maxBytes: 1_000_000 }).fetch(request)
  return { made, asked, penalized }
}

function versionsOf({ made }: Asked): string[] {
  if (made.status !== 'document') throw new Error(made.status)
  const text = gunzipSync(made.body).toString()
  const { versions } = JSON.parse(text) as { versions: Record<string, unknown> }
  return Object.keys(versions).sort()
}

function etagOf({ made }: Asked): string | undefined {
  return made.status === 'document' ? made.etag : undefined
}

test('three answers are enough', async () => {
  const told = await ask(['1.0.0', '1.0.1', '1.0.2', '1.0.3'].map(document))
  expect([versionsOf(told), told.asked]).toEqual([['1.0.0', '1.0.1', '1.0.2'], 3])
})

test('a handful that list what they have not do not hide the ones that have', async () => {
  const liars = Array.from({ length: 6 }, () => undefined)
  const told = await ask([...liars, document('1.0.0'), document('1.0.1')])
  expect([versionsOf(told), told.asked]).toEqual([['1.0.0', '1.0.1'], 8])
})

test('there is an end to it', async () => {
  await expect(ask(Array.from({ length: 50 }, () => undefined))).rejects.toThrow(/no peer has/)
})

describe('documents that were sent before', () => {
  const [one, two] = [document('1.0.0'), document('1.0.1')]

  test('are not sent again, whoever has them', async () => {
    const etag = etagOf(await ask([one, two]))
    expect((await ask([two, one, one], { etag })).made).toMatchObject({
      ...{ status: 'unchanged', peerFetchedAtMs: 4 },
    })
  })

  test('are sent by who has them once more where another has a new one', async () => {
    const etag = etagOf(await ask([one]))
    const told = await ask([one, two], { etag })
    expect([versionsOf(told), told.asked]).toEqual([['1.0.0', '1.0.1'], 3])
  })

  test('are sent again where witnesses are named: what they say may have changed', async () => {
    const etag = etagOf(await ask([one]))
    const told = await ask([one], { etag, areWitnessesNamed: true })
    expect([versionsOf(told), etagOf(told)]).toEqual([['1.0.0'], undefined])
  })

  test('are sent again where they were verified with other keys', async () => {
    const [, ...digests] = etagOf(await ask([one]))?.split(' ') ?? []
    const told = await ask([one], { etag: ['0'.repeat(64), ...digests].join(' ') })
    expect(versionsOf(told)).toEqual(['1.0.0'])
  })
})

test('a peer that confirms what it was not asked about is one that lies', async () => {
  const told = await ask([Buffer.of(), document('1.0.0')])
  expect([versionsOf(told), told.penalized]).toEqual([['1.0.0'], ['0']])
})
