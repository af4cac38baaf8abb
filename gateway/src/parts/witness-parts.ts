/**
 * What belongs to witnesses and takedowns, put together: whose word counts, this machine's own, what peers are told of it, and
 * what is gone because of it. Built around the packuments, which need some of it and are needed by the rest.
 */
import {
  generateKey,
  isCatalogError,
  parseKeyId,
  type CatalogNode,
  type Database,
  type Logger,
} from '@catalog-p2p/core'
import type { Guard } from '../guard/guard.ts'
import { Takedowns, type NamedPackage } from '../guard/takedowns.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import type { PackumentCache } from '../packuments/cache/packument-cache.ts'
import type { PackumentJobs } from '../packuments/worker/packument-jobs.ts'
import type { Packuments } from '../packuments/packument-service.ts'
import { makeSigned } from '../packuments/peers/make-signed.ts'
import { createRemovalWatch, type RemovalWatch } from '../packuments/removal-watch.ts'
import type { VersionJudgements } from '../packuments/version-judgements.ts'
import { createCountersigner } from '../packuments/witness/countersigner.ts'
import { StatementStore } from '../packuments/witness/statement-store.ts'
import type { WitnessedJob } from '../packuments/witness/verdict.ts'
import { answerWitnesses, type WitnessAnswers } from '../packuments/witness/witness-answers.ts'
import { readWitnessKey } from '../packuments/witness/witness-key.ts'
import { createWitnesses, type Witnesses } from '../packuments/witness/witnesses.ts'
import type { Registries } from '../upstream/registries.ts'

export interface WitnessPartsDependencies {
  readonly node: Pick<CatalogNode, 'questions'>
  readonly log: Logger
  readonly database: Database
  readonly cache: PackumentCache
  readonly jobs: PackumentJobs
  readonly registries: Registries
  readonly guard: Guard
  readonly judgements: VersionJudgements
  readonly isKnownPublic: (name: string) => boolean
}

export interface WitnessParts {
  readonly witnesses: Witnesses
  readonly onAsked: (of: NamedPackage) => void
  readonly removals: RemovalWatch | undefined
  readonly onGone: (of: NamedPackage, gone: ReadonlyMap<string, string>) => void
  /** From now on peers are answered. */
  start(packuments: Packuments): Promise<void>
  close(): Promise<void>
}

export function openWitnessParts(
  deps: WitnessPartsDependencies,
  options: ParsedGatewayOptions,
): WitnessParts {
  const { cache, jobs, guard, registries, database } = deps
  const { takedown, countersign, maxPackumentBytes: maxBytes } = options
  const statements = new StatementStore(database)
  guard.useTakedowns({
    list: new Takedowns(database),
    registryOf: (name) => registryOf(registries, name),
  })
  let answers: WitnessAnswers | undefined

  function onGone(of: NamedPackage, gone: ReadonlyMap<string, string>): void {
    if (takedown === 'off') return
    const seenAtMs = Date.now()
    const entries = [...gone].map(
      ([version, reason]) => [version, { reason, by: 'witnesses', seenAtMs }] as const,
    )
    guard.takeDown(of, new Map(entries))
  }

  /** What they say of tags and times counts when peers' documents come; what is gone is gone at once. */
  async function onWord(of: NamedPackage, witnessed: WitnessedJob): Promise<void> {
    if (takedown === 'off') return
    const job = { ...of, keys: [], documents: [], maxBytes, isStrict: true, witnessed }
    const { gone } = await makeSigned(jobs, job)
    if (gone.size > 0) onGone(of, gone)
  }

  const witnesses = createWitnesses(
    { ...deps, statements, onWord, onKept: (of) => answers?.list(of) },
    { witnesses: options.witnesses.map(parseKeyId), quorum: quorumOf(options) },
  )

  return {
    witnesses,
    onAsked: (of) => witnesses.refresh(of),
    onGone,
    removals: takedown === 'deny' || countersign ? createRemovalWatch({ cache, guard }) : undefined,
    async start(packuments) {
      const { witnessKeyPath: path } = options
      const renew = async (name: string, signal: AbortSignal): Promise<void> => {
        await packuments.get({ name, kind: 'full', client: undefined, signal })
      }
      const key = path === undefined ? generateKey : () => readWitnessKey(path)
      const countersigner = countersign
        ? createCountersigner({ ...deps, key: await key(), renew }, { maxBytes })
        : undefined
      if (countersigner !== undefined) {
        deps.log.info('witness.started', { witness: countersigner.witness })
      }
      answers = answerWitnesses({ ...deps, statements, countersigner })
    },
    async close() {
      await witnesses.close()
      await answers?.stop()
    },
  }
}

/** More than half, where nothing else is said. */
function quorumOf({
  witnesses,
  witnessQuorum,
}: Pick<ParsedGatewayOptions, 'witnesses' | 'witnessQuorum'>): number {
  return witnessQuorum ?? Math.floor(witnesses.length / 2) + 1
}

function registryOf(registries: Registries, name: string): string | undefined {
  try {
    return registries.homeOf(name).url
  } catch (error) {
    if (isCatalogError(error, 'NOT_FOUND')) return undefined
    throw error
  }
}
