/**
 * The start of a gateway beside everything else that exec does: a daemon that runs is looked for, else the front door is opened, and
 * only then is loaded what stands behind it, which is most of the program. Never throws: its promises reject, and may be left alone.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../config/resolve.ts'
import { whyNotLoaded } from '../shell/fallback.ts'
import type { Terminal } from '../shell/terminal.ts'
import { createDaemonLog } from '../start/daemon-log.ts'
import type { ExecGateway, ResolvedRegistry } from './exec-gateway.ts'
import { openFrontDoor, type FrontDoor } from './front-door.ts'
import { findRunningDaemon } from './own-daemon.ts'

/** After this the command does without. */
const START_TIMEOUT_MS = 20_000
const STOP_TIMEOUT_MS = 20_000
/** A client that may start ahead of the gateway has answered by then, mostly; loading would keep its answer waiting. */
const ANSWER_MS = 250

export interface OpeningRequest {
  readonly terminal: Terminal
  readonly config: Config
  readonly version: string
  readonly reuse: boolean
  readonly frozenTrust: boolean
  /** Rejects where no gateway is wanted. */
  readonly upstream: Promise<ResolvedRegistry>
  readonly signal: AbortSignal
  /** The command may start before what stands behind the door is loaded. */
  readonly isPatient: boolean
}

export interface Opening {
  /** undefined when it takes too long, or a signal comes first. */
  readonly gateway: Promise<ExecGateway | undefined>
  /** The door of a gateway that will be exec's own, as soon as that is known; undefined: a daemon may be taken, or believed nothing. */
  readonly door: Promise<FrontDoor | undefined>
  readonly buildToken: string
  /** Nothing more urgent is to be done: what stands behind the door is loaded. */
  load(): void
  /** What is asked at the door is answered by the gateway, which has started. */
  admit(): Promise<void>
  /** Stops the gateway and leaves the door as it is. Never throws, never takes long. */
  stop(): Promise<void>
  /** Stops all of it. Never throws, never takes long. */
  leave(): Promise<void>
}

export function beginOpening(request: OpeningRequest): Opening {
  const { terminal, config, version, reuse, frozenTrust, upstream, signal, isPatient } = request
  // Standard output belongs to the command.
  const level = config.logLevel ?? 'error'
  const log = createDaemonLog(terminal, { level, beforeLine: () => undefined })
  const buildToken = randomBytes(32).toString('base64url')
  const loading = Promise.withResolvers<void>()
  let opened: Promise<FrontDoor> | undefined
  const door = (): Promise<FrontDoor> => (opened ??= openFrontDoor(config, log))
  // What daemon.json says is part of what is not believed with --frozen-trust.
  const finding = frozenTrust ? Promise.resolve(undefined) : findRunningDaemon(config)
  const start = async (): Promise<ExecGateway> => {
    const daemon = await finding
    if (daemon === undefined) await door()
    await Promise.race([loading.promise, isPatient ? sleep(ANSWER_MS) : undefined])
    const loaded = await import('./open-gateway.ts').catch(whyNotLoaded)
    if (typeof loaded === 'string') throw new Error(loaded)
    const given = { config, env: terminal.env, upstream, log, version, reuse, frozenTrust }
    return loaded.openGateway({ ...given, daemon, door, buildToken })
  }
  const starting = start()
  const early = finding.then((daemon) => (daemon === undefined ? door() : undefined))
  for (const each of [starting, early]) each.catch(() => undefined)
  const stop = (): Promise<void> =>
    atMost(
      STOP_TIMEOUT_MS,
      // A failure to stop is ignored: the command has ended, and its user waits.
      starting.then((gateway) => gateway.stop()).catch(() => undefined),
    )
  const gateway = inTime(starting, signal)
  gateway.catch(() => undefined)
  return {
    ...{ gateway, door: early, buildToken, stop, load: loading.resolve },
    admit: async () => (await opened)?.open(),
    async leave() {
      await stop()
      await opened?.then((each) => each.close()).catch(() => undefined)
    },
  }
}

async function inTime(
  starting: Promise<ExecGateway>,
  signal: AbortSignal,
): Promise<ExecGateway | undefined> {
  const done = new AbortController()
  const late = sleep(START_TIMEOUT_MS, undefined, {
    signal: AbortSignal.any([signal, done.signal]),
  }).catch(() => undefined)
  try {
    return await Promise.race([starting, late])
  } finally {
    done.abort()
  }
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const done = new AbortController()
  const late = sleep(ms, undefined, { signal: done.signal }).catch(() => undefined)
  await Promise.race([work, late])
  done.abort()
}
