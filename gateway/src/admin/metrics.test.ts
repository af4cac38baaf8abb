/** docs/metrics.md lists every metric with its help text, and nothing else. */
import { readFile } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createFakeNode } from '../../../test/support/fake-node.ts'
import { createCounters } from '../http/counters.ts'
import { NO_BUILDS } from '../build-results/build-results.ts'
import { SourceCounts } from '../packuments/answer-source.ts'
import { createMetrics, type Metrics } from './metrics.ts'

function metricsOfFakes(): Metrics {
  return createMetrics({
    ...{ node: createFakeNode(), counters: createCounters() },
    stats: () => ({
      ...{ packuments: { fresh: 0, fetched: 0, stale: 0 }, upstream: null, activeRequests: 0 },
      replication: { wanted: 3, packages: 0, short: 0 },
      builds: NO_BUILDS,
      metadata: new SourceCounts().snapshot(),
      temporary: false,
      frozenTrust: false,
      hints: { lists: 0, packages: 0, fetched: 0, claimed: 0, bytes: 0, failed: 0 },
      ...{ upstreamRequests: 0, upstreamFailures: 0, upstreamBytes: 0 },
      ...{ requests: createRequests(), tarballs: createCounters().tarballs },
    }),
  })
}

test('the page says what is measured', async () => {
  const text = await metricsOfFakes().render()
  const found = [...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(
    ([, name, help]) => `${name} ${help}`,
  )
  const page = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')
  const listed = [...page.matchAll(/^\| `(\w+)` +\| \w+ +\| [^|]*\| (.*?) *\|$/gm)].map(
    ([, name, help]) => `${name} ${help}`,
  )
  expect(listed.sort()).toEqual(found.sort())
  expect(found.length).toBeGreaterThan(15)
})

test('the process: its build, what it takes, how late its event loop is', async () => {
  const metrics = metricsOfFakes()
  const text = await metrics.render()
  const { version } = JSON.parse(
    await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  const node = process.versions.node
  expect(text).toContain(`catalog_build_info{version="${version}",node="${node}"} 1\n`)
  expect(valueIn(text, 'catalog_process_memory_bytes{kind="resident"}')).toBeGreaterThan(1e7)
  expect(valueIn(text, 'catalog_process_cpu_seconds_total{mode="user"}')).toBeGreaterThan(0)
  expect(valueIn(text, 'catalog_event_loop_busy_seconds_total')).toBeGreaterThan(0)
  const longest = async (): Promise<number> => {
    block(60)
    await setImmediate()
    await setImmediate() // between the two are the timers
    return valueIn(await metrics.render(), 'catalog_event_loop_delay_seconds{quantile="1"}')
  }
  await expect.poll(longest).toBeGreaterThan(0.03)
})

function block(ms: number): void {
  const endsAtMs = performance.now() + ms
  while (performance.now() < endsAtMs);
}

function valueIn(text: string, series: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return Number(line?.slice(series.length))
}

function createRequests() {
  const entries = Object.entries(createCounters().routes).map(([name, one]) => [name, one.requests])
  return Object.fromEntries(entries) as Record<
    keyof ReturnType<typeof createCounters>['routes'],
    number
  >
}
