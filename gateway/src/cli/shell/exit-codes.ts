/** Every exit code of `catalog`, and which error leads to which: the one table; `catalog --help` prints it. */
import type { ErrorCode } from '@catalog-p2p/core'

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  portInUse: 4,
  storeLocked: 5,
  incomplete: 6,
} as const

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done',
  failed: 'failed; the message says why',
  usage: 'wrong arguments or options',
  notRunning: 'no daemon is running',
  portInUse: 'the port is taken',
  storeLocked: 'another process uses the store folder',
  incomplete: 'done in part: not everything could be fetched, or something bad was found',
}

/** 128 plus the signal's number, as shells have it. */
export function exitCodeOfSignal(number: number): number {
  return 128 + number
}

const BY_ERROR: Partial<Readonly<Record<ErrorCode, number>>> = {
  INVALID_OPTIONS: EXIT.usage,
  INVALID_DIGEST: EXIT.usage,
  INVALID_NAME: EXIT.usage,
  INVALID_KEY: EXIT.usage,
  DAEMON_NOT_RUNNING: EXIT.notRunning,
  PORT_IN_USE: EXIT.portInUse,
  STORE_LOCKED: EXIT.storeLocked,
}

export function exitCodeOf(code: ErrorCode): number {
  return BY_ERROR[code] ?? EXIT.failed
}
