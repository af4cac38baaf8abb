/** Signatures of peers' documents that were not verified when they came: found out when used, and behind it. */
import { gzipSync } from 'node:zlib'
import type { Logger } from '@catalog-p2p/core'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { importableSigner } from '../../../../test/support/signed-swarm.ts'
import type { TrustedKey } from '../../keys/trusted-keys.ts'
import { processPackument } from '../document/packument-document.ts'
import { openPackumentCache } from '../cache/packument-cache.ts'
import { createDroppedDocuments } from './dropped-documents.ts'
import { createPeerEvidence } from './peer-evidence.ts'

const NAME = 'fx-told'
const REGISTRY = 'https://registry.example/'
const signer = importableSigner()
const { key } = signer.key as { key: string }
const trusted: TrustedKey = { keyId: signer.keyid, spki: Buffer.from(key, 'base64') }
const integrity = `sha512-${'A'.repeat(86)}==`
const silent = (): void => undefined
const log: Logger = { debug: silent, info: silent, warn: silent, error: silent }

function signed(version: string, of = version) {
  const sig = signer.sign(Buffer.from(`${NAME}@${of}:${integrity}`))
  const signatures = [{ keyid: signer.keyid, sig }]
  return { name: NAME, version, dist: { integrity, signatures, tarball: '' } }
}

const factsOf = ({ version, dist }: ReturnType<typeof signed>) => {
  const signatures = JSON.stringify(dist.signatures)
  return { version, integrity: dist.integrity, shasum: '', tarball: '', signatures }
}

/** A document of one peer's words. */
async function told(
  versions: readonly ReturnType<typeof signed>[],
  how: { quietMs: number; keys?: TrustedKey[] },
) {
  const bounds = { memoryBytes: 1e6, quotaBytes: 1e6, maxBytes: 1e6 }
  const cache = await openPackumentCache({ log }, { path: undefined, ...bounds })
  const penalize = vi.fn<(peer: string, why: string) => void>()
  const trustedKeys = vi.fn(async (): Promise<readonly TrustedKey[] | undefined> => [trusted])
  const start = (quietMs: number) =>
    createPeerEvidence(
      {
        ...{ cache, trustedKeys, log, dropped: createDroppedDocuments() },
        distrust: () => undefined,
        node: { questions: { penalize, holders: () => [] } as never },
        jobs: { run: async (job) => processPackument(job), close: async () => undefined },
      },
      { maxBytes: 1e6, quietMs },
    )
  const evidence = start(how.quietMs)
  onTestFinished(async () => {
    evidence.close()
    await cache.close()
  })
  const document = {
    name: NAME,
    versions: Object.fromEntries(versions.map((each) => [each.version, each])),
    _peers: Object.fromEntries(versions.map(({ version }) => [version, 'peer'])),
  }
  const saved = cache.save(
    {
      ...{ registry: REGISTRY, name: NAME, owner: '', kind: 'abbreviated', hash: 'h' },
      ...{ etag: undefined, lastModified: undefined, publicUrls: true, peerFetchedAtMs: 1 },
      ...{ confirmedAtMs: Date.now(), lifetimeMs: 0, freshness: 'current' },
    },
    100,
  )
  const at = { document: saved.id, hash: saved.hash, part: 'raw' }
  await cache.bodies.write(at, gzipSync(JSON.stringify(document)))
  const isThere = (): boolean => cache.find(saved, 'peers') !== undefined
  return { evidence, start, saved, isThere, penalize, trustedKeys }
}

const LONG_MS = 3_600_000

describe('a version of a document', () => {
  test('that the registry has signed counts as long as its key does', async () => {
    const one = signed('1.0.0')
    const { evidence, saved, isThere, trustedKeys, penalize } = await told([one], {
      quietMs: LONG_MS,
    })
    expect(await evidence.isSigned(saved, factsOf(one))).toBe(true)
    expect(isThere()).toBe(true)
    trustedKeys.mockResolvedValue([])
    expect(await evidence.isSigned(saved, factsOf(one))).toBe(false)
    expect(isThere()).toBe(false)
    expect(penalize).not.toHaveBeenCalled()
    expect(evidence.refusal(NAME)?.message).toContain('no key of')
  })

  test('that it has not signed takes the document along when it is used', async () => {
    const [one, forged] = [signed('1.0.0'), signed('1.0.1', '9.9.9')]
    const { evidence, saved, isThere, penalize } = await told([one, forged], { quietMs: LONG_MS })
    expect(await evidence.isSigned(saved, factsOf(one))).toBe(true)
    expect(penalize).not.toHaveBeenCalled()
    expect(await evidence.isSigned(saved, factsOf(forged))).toBe(false)
    expect(isThere()).toBe(false)
    expect(penalize).toHaveBeenCalledWith('peer', expect.stringContaining('1.0.1'))
    expect(evidence.refusal(NAME)?.message).toContain(`${NAME}@1.0.1`)
    expect(evidence.refusal('fx-other')).toBeUndefined()
    expect(evidence.forged(NAME, integrity)).toBe(evidence.refusal(NAME))
    expect(evidence.forged('fx-other', integrity)).toBeUndefined()
  })

  test('is looked at once where two clients want all of them verified, and both are told', async () => {
    const lied = await told([signed('1.0.0'), signed('1.0.1', '9.9.9')], { quietMs: LONG_MS })
    const ask = () => lied.evidence.isAllSigned(lied.saved)
    expect(await Promise.all([ask(), ask()])).toEqual([false, false])
    expect(lied.penalize).toHaveBeenCalledOnce()
  })

  test('that nobody uses is looked at once it is quiet', async () => {
    const lied = await told([signed('1.0.0'), signed('1.0.1', '9.9.9')], { quietMs: 1 })
    await vi.waitFor(() => expect(lied.isThere()).toBe(false))
    expect(lied.penalize).toHaveBeenCalledOnce()
    expect(lied.evidence.refusal(NAME)).toBeDefined()
  })

  test('that was kept over a restart is looked at once a client is given it, and not again', async () => {
    const lied = await told([signed('1.0.0'), signed('1.0.1', '9.9.9')], { quietMs: LONG_MS })
    lied.evidence.close()
    const after = lied.start(1)
    onTestFinished(() => after.close())
    after.given(lied.saved)
    await vi.waitFor(() => expect(lied.isThere()).toBe(false))
    expect(lied.penalize).toHaveBeenCalledOnce()

    const honest = await told([signed('1.0.0')], { quietMs: 1 })
    await vi.waitFor(() => expect(honest.trustedKeys).toHaveBeenLastCalledWith(REGISTRY))
    honest.evidence.given(honest.saved)
    const registry = 'https://other.example/'
    honest.evidence.given({ ...honest.saved, id: 'other', registry })
    await vi.waitFor(() => expect(honest.trustedKeys).toHaveBeenLastCalledWith(registry))
    expect(honest.trustedKeys).toHaveBeenCalledTimes(2)
  })
})
