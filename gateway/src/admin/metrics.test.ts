/** docs/metrics.md lists every metric with its help text, and nothing else. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createFakeNode } from '../../../test/support/fake-node.ts'
import { createCounters } from '../http/counters.ts'
import { SourceCounts } from '../packuments/answer-source.ts'
import { createMetrics } from './metrics.ts'

test('the page says what is measured', async () => {
  const metrics = createMetrics({
    ...{ node: createFakeNode(), counters: createCounters() },
    stats: () => ({
      ...{ packuments: { fresh: 0, fetched: 0, stale: 0 }, upstream: null, activeRequests: 0 },
      replication: { wanted: 3, packages: 0, short: 0 },
      metadata: new SourceCounts().snapshot(),
      temporary: false,
      frozenTrust: false,
      hints: { lists: 0, packages: 0, fetched: 0, claimed: 0, bytes: 0, failed: 0 },
      ...{ upstreamRequests: 0, upstreamFailures: 0, upstreamBytes: 0 },
      ...{ requests: createRequests(), tarballs: createCounters().tarballs },
    }),
  })
  const text = await metrics.render()
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

function createRequests() {
  const entries = Object.entries(createCounters().routes).map(([name, one]) => [name, one.requests])
  return Object.fromEntries(entries) as Record<
    keyof ReturnType<typeof createCounters>['routes'],
    number
  >
}
