/**
 * How fast the processor is just now, by work of the kind that gateways do, on one thread. Virtual machines take twice as long on one day as
 * on another, and a benchmark's ratios change with it wherever a line or a distance is part of them.
 */
import { hash } from 'node:crypto'
import { spreadOf } from './measure.ts'

const ROUNDS = 9
const ENTRIES = 20_000

/** Milliseconds: the median of a few rounds of writing, hashing and reading some JSON. */
export function fixedWorkMs(): number {
  const entries = Array.from({ length: ENTRIES }, (_, at) => ({
    name: `fx-${at}`,
    bytes: at,
    dist: {},
  }))
  const took = Array.from({ length: ROUNDS }, () => {
    const fromMs = performance.now()
    const text = JSON.stringify(entries)
    hash('sha512', text)
    JSON.parse(text)
    return performance.now() - fromMs
  })
  return spreadOf(took).median
}
