/**
 * Starts a service in place of one that may be running. `launchctl bootout` returns while the job is still ending, and bootstrap
 * fails until it has ended: waits for that, up to a deadline.
 */
import type { ServiceKind, CommandLine } from './service-kind.ts'

export interface Failure {
  readonly command: string
  readonly reason: string
}

/** As RunSystemCommand, with the environment given. */
export type Run = (command: CommandLine) => Promise<string | undefined>

export interface Clock {
  nowMs(): number
  sleep(ms: number, options: { signal: AbortSignal }): Promise<unknown>
}

const POLL_MS = 250
/** The job itself takes up to 25 s, and launchd kills it after 30. */
const GONE_TIMEOUT_MS = 30_000
/** EIO and EALREADY: it is there still, or not all of it has gone. */
const STILL_THERE = /^Bootstrap failed: (?:5|37):/

/** Stops at the first failure. */
export async function runAll(
  commands: readonly CommandLine[],
  run: Run,
): Promise<Failure | undefined> {
  for (const command of commands) {
    const reason = await run(command)
    if (reason !== undefined) return { command: command.join(' '), reason }
  }
  return undefined
}

/** Runs all of them, even after a failure; the first failure. */
export async function runEach(
  commands: readonly CommandLine[],
  run: Run,
): Promise<Failure | undefined> {
  let first: Failure | undefined
  for (const command of commands) {
    const failed = await runAll([command], run)
    first ??= failed
  }
  return first
}

export async function replaceRunning(
  kind: ServiceKind,
  { run, clock, signal }: { run: Run; clock: Clock; signal: AbortSignal },
): Promise<Failure | undefined> {
  if (!kind.mustGoFirst) return runAll(kind.start, run)
  // Fails if nothing runs; only whether it has ended afterwards matters.
  await runAll(kind.stop, run)
  const stays = await waitForExit(kind, { run, clock, signal })
  if (stays !== undefined) return stays
  const failed = await runAll(kind.start, run)
  if (failed === undefined || !STILL_THERE.test(failed.reason)) return failed
  await clock.sleep(POLL_MS, { signal })
  return (await waitForExit(kind, { run, clock, signal })) ?? runAll(kind.start, run)
}

async function waitForExit(
  { isRunning }: ServiceKind,
  { run, clock, signal }: { run: Run; clock: Clock; signal: AbortSignal },
): Promise<Failure | undefined> {
  const deadlineMs = clock.nowMs() + GONE_TIMEOUT_MS
  while ((await run(isRunning)) === undefined) {
    if (clock.nowMs() >= deadlineMs) {
      const reason = `what ran before has not ended within ${GONE_TIMEOUT_MS / 1000} s`
      return { command: isRunning.join(' '), reason }
    }
    await clock.sleep(POLL_MS, { signal })
  }
  return undefined
}
