/**
 * The start of a gateway beside everything else that exec does: a daemon that runs is looked for, and then the gateway is loaded,
 * which is most of the program; the front door is opened for a command that goes ahead, or for a gateway that starts. Never throws: its promises reject, and may be left alone.
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
  /** The command may start before the gateway is loaded. */
  readonly isPatient: boolean
}

export interface Opening {
  /** undefined when it takes too long, or a signal comes first. */
  readonly gateway: Promise<ExecGateway | undefined>
  /** Opens the door for a command that goes ahead; undefined: a daemon runs, and may be taken. @throws CatalogError PORT_IN_USE, HOST_FAILED */
  openDoor(): Promise<FrontDoor | undefined>
  readonly buildToken: string
  /** Nothing more urgent is to be done: the gateway is loaded. */
  load(): void
  /** What is asked at the door is answered by the gateway, which has started. */
  admit(): Promise<void>
  /** Stops the gateway and leaves the door as it is. Never throws, never takes long. */
  stop(): Promise<void>
  /** Stops all of it, and loads nothing any more. Never throws, never takes long. */
  leave(): Promise<void>
}

export function beginOpening(request: OpeningRequest): Opening {
  const { terminal, config, version, reuse, frozenTrust, upstream, signal, isPatient } = request
  // Standard output belongs to the command.
  const level = config.logLevel ?? 'error'
  const log = createDaemonLog(terminal, { level, beforeLine: () => undefined })
  const buildToken = randomBytes(32).toString('base64url')
  const loading = Promise.withResolvers<void>()
  loading.promise.catch(() => undefined)
  let opened: Promise<FrontDoor> | undefined
  const door = (): Promise<FrontDoor> => (opened ??= openFrontDoor(config, log))
  // What daemon.json says is part of what is not believed with --frozen-trust.
  const finding = frozenTrust ? Promise.resolve(undefined) : findRunningDaemon(config)
  const start = async (): Promise<ExecGateway> => {
    const daemon = await finding
    await Promise.race([loading.promise, isPatient ? sleep(ANSWER_MS) : undefined])
    const loaded = await import('./open-gateway.ts').catch(whyNotLoaded)
    if (typeof loaded === 'string') throw new Error(loaded)
    const given = { config, env: terminal.env, upstream, log, version, reuse, frozenTrust }
    return loaded.openGateway({ ...given, daemon, door, buildToken })
  }
  const starting = start()
  starting.catch(() => undefined)
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> =>
    (stopping ??= atMost(
      STOP_TIMEOUT_MS,
      // A failure to stop is ignored: the command has ended, and its user waits.
      starting.then((gateway) => gateway.stop()).catch(() => undefined),
    ))
  const gateway = inTime(starting, signal)
  gateway.catch(() => undefined)
  return {
    ...{ gateway, buildToken, stop, load: loading.resolve },
    openDoor: async () => ((await finding) === undefined ? door() : undefined),
    admit: async () => (await opened)?.open(),
    async leave() {
      loading.reject(new Error('no gateway is wanted'))
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
