/** The client of a replay: asks a registry for every tarball of a corpus, and throws if one has a wrong hash. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CorpusFile } from './corpus.ts'
import { LOOPBACK, type BenchMachine } from './machine.ts'
import type { ReplayResult } from './replay-child.ts'
import type { Stage } from './stage.ts'

export interface Target {
  /** This machine's loopback, by default. */
  readonly host?: string
  readonly port: number
  /** It speaks TLS. */
  readonly isTls?: boolean
  /** Of the process that serves there, where it is known. */
  readonly pid?: number
}

export interface ReplayClient {
  /** As npm does by default; without `sendIntegrity` as other clients, which name no digest. */
  ask(
    target: Target,
    files: readonly CorpusFile[],
    options?: {
      readonly sendIntegrity: boolean
      readonly headers?: Readonly<Record<string, string>>
      /** At a time; 32 by default. */
      readonly concurrency?: number | undefined
    },
  ): Promise<ReplayResult>
  /** Until a server answers HTTP there; throws after a deadline. */
  waitFor(target: Target, signal: AbortSignal): Promise<void>
}

const READY_DEADLINE_MS = 30_000

export function startReplayClient(stage: Stage, machine: BenchMachine = LOOPBACK): ReplayClient {
  const child = stage.start('lib/replay-child.ts', machine)
  return {
    async ask({ host = LOOPBACK.ipv4, port, isTls }, files, how = { sendIntegrity: true }) {
      const options = { host, port, isTls, files, ...how }
      const result = await child.call<ReplayResult>('replay', options)
      if (result.bad > 0) throw new Error(`${result.bad} of ${result.files} artifacts were wrong`)
      return result
    },
    async waitFor({ host = LOOPBACK.ipv4, port }, signal) {
      const deadline = performance.now() + READY_DEADLINE_MS
      while (!(await child.call<boolean>('answers', { host, port }))) {
        signal.throwIfAborted()
        if (performance.now() > deadline) throw new Error(`no server answers on ${host}:${port}`)
        await sleep(50)
      }
    },
  }
}
