/** For how long a certificate counts, as people write it: `12h`, `90d`. Pure. */
import { CatalogError } from '@catalog-p2p/core'

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }
const MAX_MS = 3_660 * 86_400_000

/** Milliseconds. @throws CatalogError INVALID_OPTIONS */
export function parseLife(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS_MS[unit] ?? 0)
  if (ms > 0 && ms <= MAX_MS) return ms
  throw new CatalogError('INVALID_OPTIONS', `--life: expected 30m, 12h, 90d, got "${text}"`, {
    hint: 'ten years at most; short ones are safer: "catalog ca renew" makes them longer',
  })
}
