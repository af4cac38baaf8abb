/**
 * What there is to say of this machine's private swarm: who of it is connected, until when this machine is a member, and what is in
 * the way of being one. For `catalog status` and `catalog doctor`; says no key. Pure.
 */
import {
  isCatalogError,
  judgeCertificate,
  openCertificate,
  type Certificate,
  type SwarmFile,
} from '@catalog-p2p/core'

export interface SwarmProblem {
  readonly text: string
  /** The next step. */
  readonly next: string
}

export interface SwarmReport {
  /** null: its file makes no sense. */
  readonly name: string | null
  /** The fingerprint of the key that certifies its machines; null: whoever has the swarm's key is a member. */
  readonly root: string | null
  /** Unix time, milliseconds, at which this machine's certificate ends; null where there is none. */
  readonly certificateEndsMs: number | null
  /** The same of the last of the swarm's keys that are here; null: one of them counts until it is taken away. */
  readonly keyEndsMs: number | null
  /** Connected now. */
  readonly members: number
  /** Why no member lets this machine in; null: nothing is known to be wrong. */
  readonly problem: SwarmProblem | null
}

export interface SwarmCircumstances {
  /** Unix time. */
  readonly nowMs: number
  /** This machine's peer id; undefined while its daemon does not run. */
  readonly self: string | undefined
  readonly members: number
  /** What the root has taken back, as far as is known here. */
  readonly revoked: ReadonlySet<string>
  /** Whether the daemon that runs was started in this swarm. */
  readonly isDaemonOfIt: boolean
}

const SOON_MS = 7 * 86_400_000
const JOIN_AGAIN = 'have a member run "catalog swarm invite", and here "catalog swarm join"'

export function reportOnSwarm(file: SwarmFile, now: SwarmCircumstances): SwarmReport {
  const { name, root, keys, certificate: bytes } = file
  const certificate = bytes === undefined ? undefined : openOwn(bytes)
  const keyEndsMs = Math.max(...keys.map(({ untilMs = Infinity }) => untilMs))
  return {
    ...{ name, root: root ?? null, members: now.members },
    certificateEndsMs: certificate?.notAfterMs ?? null,
    keyEndsMs: Number.isFinite(keyEndsMs) ? keyEndsMs : null,
    problem: keyProblem(file, now) ?? certificateProblem(file, certificate, now) ?? null,
  }
}

/** What ends within a week, in words; undefined when nothing does. */
export function endsSoon(report: SwarmReport, nowMs: number): SwarmProblem | undefined {
  const { certificateEndsMs, keyEndsMs, root, name } = report
  if (root !== null && certificateEndsMs !== null && certificateEndsMs - nowMs < SOON_MS) {
    const text = `this machine's certificate for "${name}" ends at ${timeOf(certificateEndsMs)}`
    return { text, next: renewal }
  }
  if (keyEndsMs === null || keyEndsMs - nowMs >= SOON_MS) return undefined
  return {
    text: `the key of "${name}" that this machine has ends at ${timeOf(keyEndsMs)}`,
    next: JOIN_AGAIN,
  }
}

const renewal =
  'where the root\'s key is: "catalog ca renew PEER-ID --out FILE"; here: "catalog swarm certify FILE"'

/** By what is wrong with a certificate; for all else there has to be another one. */
const NEXT_STEPS: Readonly<Partial<Record<string, string>>> = {
  expired: renewal,
  'not-yet': 'set the clock of this machine, or of the one that issued it (NTP)',
  revoked: 'ask whoever has the root\'s key ("catalog ca list" there)',
}

export function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}

function keyProblem(
  { name, keys, root }: SwarmFile,
  { nowMs, self, isDaemonOfIt }: SwarmCircumstances,
): SwarmProblem | undefined {
  if (self !== undefined && !isDaemonOfIt) {
    const text = `the daemon was started before this machine was in "${name}"`
    return { text, next: 'restart it' }
  }
  const isCurrent = keys.some(({ untilMs = Infinity }) => nowMs < untilMs)
  if (isCurrent || (keys.length === 0 && root !== undefined)) return undefined
  return { text: `the key of "${name}" that this machine has is over`, next: JOIN_AGAIN }
}

function certificateProblem(
  { name, root }: SwarmFile,
  certificate: Certificate | undefined,
  { nowMs, self, revoked }: SwarmCircumstances,
): SwarmProblem | undefined {
  if (root === undefined) return undefined
  const first = `"catalog ca issue PEER-ID --for ${name} --out FILE" where the root's key is, then here "catalog swarm certify FILE"`
  if (certificate === undefined) {
    return { text: `this machine has no certificate of the root of "${name}"`, next: first }
  }
  const peer = self ?? (certificate.subject.kind === 'machine' ? certificate.subject.peer : '')
  const wanted = { kind: 'machine', peer, swarm: name } as const
  const judged = judgeCertificate(certificate, wanted, { root, nowMs, revoked })
  if (judged.verdict === 'valid') return undefined
  return {
    text: `this machine's certificate ${judged.why}`,
    next: NEXT_STEPS[judged.reason] ?? first,
  }
}

/** One that cannot be read counts for nothing, as for members. */
function openOwn(bytes: Uint8Array): Certificate | undefined {
  try {
    return openCertificate(bytes)
  } catch (error) {
    if (isCatalogError(error, 'INVALID_STATEMENT')) return undefined
    throw error
  }
}
