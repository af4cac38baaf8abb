/** The gateway's time, as near as its answers say: the page may be looked at from a machine whose clock is wrong. */

/** A header has whole seconds; less is no difference. */
const TOLERANCE_MS = 2_000

let offsetMs = 0

export function setServerTime(date: string | null): void {
  const difference = Date.parse(date ?? '') - Date.now()
  offsetMs = Math.abs(difference) > TOLERANCE_MS ? difference : 0
}

/** Milliseconds since 1970, at the gateway. */
export function serverNow(): number {
  return Date.now() + offsetMs
}
