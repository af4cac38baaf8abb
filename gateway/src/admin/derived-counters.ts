/** Prometheus counters that show what is counted elsewhere: read when they are asked for, kept nowhere twice. */
import { Counter, type Registry } from 'prom-client'

/** A counter that shows a total counted elsewhere. */
export function countTotal(
  registry: Registry,
  { name, help }: { name: string; help: string },
  value: () => number,
): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset()
      this.inc(value())
    },
  })
}

/** A counter that shows what is counted elsewhere under each value of one label. */
export function countEach(
  registry: Registry,
  { name, help }: { name: string; help: string },
  { label, counts }: { label: string; counts: () => Readonly<Record<string, number>> },
): void {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset()
      for (const [value, count] of Object.entries(counts())) this.inc({ [label]: value }, count)
    },
  })
}

export function mapValues<Value>(
  all: Readonly<Record<string, Value>>,
  of: (value: Value) => number,
): Record<string, number> {
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [key, of(value)]))
}
