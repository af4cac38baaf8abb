/**
 * The rule for registries whose packages must be signed, in front of tarballs: which bytes a version is, its registry must have
 * signed. What has been signed is known from records, else from metadata, else asked for once. Where it can't be known, it is not
 * signed. Off for a registry, it costs one comparison.
 */
import { LRUCache } from 'lru-cache'
import { CatalogError, isCatalogError, type CatalogNode, type Logger } from '@catalog-p2p/core'
import type { SignaturePolicy } from '../../guard/signature-policy.ts'
import type { TrustedKeys } from '../../keys/trusted-keys.ts'
import { judgeSignatures } from '../../keys/version-signature.ts'
import type { Viewer } from '../../packuments/packument-service.ts'
import type { VersionFacts } from '../../packuments/document/version-lines.ts'
import {
  factsAtHand,
  type ArtifactRequest,
  type ResolvedArtifact,
  type TargetDependencies,
} from '../artifact-target.ts'
import { OtherBytes } from '../bindings/binding-check.ts'
import type { VersionDocuments } from '../versions/version-documents.ts'
import { namesDigest } from '../versions/version-hashes.ts'

export interface RequiredSignaturesDependencies extends TargetDependencies {
  readonly node: Pick<CatalogNode, 'findRecord'>
  readonly trustedKeys: TrustedKeys
  readonly documents: Pick<VersionDocuments, 'facts' | 'recent'>
  readonly signaturePolicy: (registry: string) => SignaturePolicy
  readonly log: Logger
}

interface Problem {
  /** The rest of a sentence that begins with the version. */
  readonly why: string
  readonly hint: string
}

export class RequiredSignatures {
  readonly #deps: RequiredSignaturesDependencies
  /** Versions with their digest that are known to be signed. */
  readonly #signed = new LRUCache<string, true>({ maxSize: 20_000, sizeCalculation: () => 1 })
  /** Versions that were warned of. */
  readonly #warned = new LRUCache<string, true>({ max: 1_000 })

  constructor(deps: RequiredSignaturesDependencies) {
    this.#deps = deps
  }

  /** @throws CatalogError DENIED; OtherBytes when the registry says that the version is something else */
  async check(request: ArtifactRequest, target: ResolvedArtifact, viewer: Viewer): Promise<void> {
    const { registries, signaturePolicy, log } = this.#deps
    const { url: registry } = registries.homeOf(request.name)
    const policy = signaturePolicy(registry)
    if (policy === 'off') return
    const { name, version = request.file ?? '' } = request
    const key = [registry, name, version, target.digest].join(' ')
    if (this.#signed.has(key)) return
    const problem = await this.#problemOf({ request, target, viewer, registry })
    if (problem === undefined) return void this.#signed.set(key, true)
    if (policy === 'require') {
      const text = `${name}@${version} is denied by catalog's guard: it ${problem.why}`
      throw new CatalogError('DENIED', text, {
        ...{ status: 403, reason: 'unsigned' },
        hint: `${problem.hint}, or allow it: --registry-signatures ${registry}=warn`,
      })
    }
    if (this.#warned.has(key)) return
    this.#warned.set(key, true)
    log.warn('guard.unsigned', { name, version, why: problem.why, next: problem.hint })
  }

  async #problemOf(asked: Asked): Promise<Problem | undefined> {
    const { node, trustedKeys } = this.#deps
    const { request, target, registry } = asked
    const { name, version } = request
    const { digest } = target
    if (digest === undefined) {
      return { why: 'has no sha512, so nobody can have signed it', hint: 'use a newer version' }
    }
    const record = version && node.findRecord({ registry, name, version })
    if (record && record.digest === digest) return undefined
    const facts = await this.#factsOf(asked)
    if ('why' in facts) return facts
    if (!namesDigest(facts.integrity, digest)) throw new OtherBytes(name, facts)
    const found = await judgeSignatures(trustedKeys, registry, { name, ...facts })
    if (found.verdict === 'signed') return undefined
    const hint =
      found.verdict === 'no-keys' || found.verdict === 'unknown-key'
        ? `take its keys over: catalog registry-keys update --registry ${registry}`
        : 'ask who runs the registry why it has not signed it'
    return { why: found.why, hint }
  }

  /** What the registry says of the version, with its signatures if it has any. */
  async #factsOf({ request, target, viewer }: Asked): Promise<VersionFacts | Problem> {
    const { documents } = this.#deps
    const known =
      target.facts ??
      documents.recent(request, viewer) ??
      (await factsAtHand(this.#deps, request, viewer))
    if (known !== undefined && known.signatures !== '') return known
    try {
      // Of some documents the signatures are not kept.
      return await documents.facts(request, viewer)
    } catch (error) {
      request.signal.throwIfAborted()
      if (!isCatalogError(error)) throw error
      const why = `is not known to be signed, and its registry does not say: ${error.message}`
      return { why, hint: 'try again when the registry can be reached' }
    }
  }
}

interface Asked {
  readonly request: ArtifactRequest
  readonly target: ResolvedArtifact
  readonly viewer: Viewer
  readonly registry: string
}
