/** What examples/monitoring asks of Prometheus: every metric and label in its queries exists (docs/metrics.md). */
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { readText } from '../../../test/support/source-tree.ts'

/** Set by Prometheus itself; `le` of histograms. */
const USUAL_LABELS = ['instance', 'job', 'le']

const dashboardSchema = z.object({
  templating: z.object({ list: z.array(z.object({ name: z.string() })) }),
  panels: z.array(
    z.object({
      ...{ id: z.number(), title: z.string() },
      targets: z.array(z.object({ expr: z.string(), legendFormat: z.string() })).optional(),
    }),
  ),
})
const rulesSchema = z.object({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          ...{ alert: z.string(), expr: z.string(), for: z.string().optional() },
          labels: z.strictObject({ severity: z.enum(['info', 'warning']) }),
          annotations: z.strictObject({ summary: z.string(), description: z.string() }),
        }),
      ),
    }),
  ),
})

const dashboard = dashboardSchema.parse(
  JSON.parse(readText('examples/monitoring/dashboard.json')) as unknown,
)
const rules = rulesSchema
  .parse(parse(readText('examples/monitoring/alerts.yaml')))
  .groups.flatMap((group) => group.rules)
const targets = dashboard.panels.flatMap((panel) => panel.targets ?? [])
const labelsOf = metricsOfPage()

test('every metric of every query exists, with the labels that are asked of it', () => {
  const queries = [...targets.map(({ expr }) => expr), ...rules.map(({ expr }) => expr)]
  expect(queries.length).toBeGreaterThan(40)
  for (const query of queries) {
    const { metrics, labels, isClosed } = readQuery(query)
    expect(isClosed, query).toBe(true)
    expect(metrics.length, query).toBeGreaterThan(0)
    const own = metrics.flatMap((name) => {
      const found = labelsOf.get(name) ?? labelsOf.get(name.replace(/_bucket$/, ''))
      expect(found, `${name} in ${query}`).toBeDefined()
      return found ?? []
    })
    expect([...own, ...USUAL_LABELS], query).toEqual(expect.arrayContaining(labels))
  }
})

test('what legends and texts name are labels of their query, and variables of the dashboard', () => {
  const variables = dashboard.templating.list.map(({ name }) => `$${name}`)
  const known = [...variables, '$__rate_interval', '$__range']
  for (const { expr, legendFormat } of targets) {
    const { labels } = readQuery(expr)
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label)
    expect(labels, expr).toEqual(expect.arrayContaining(shown))
    expect(known, expr).toEqual(expect.arrayContaining(expr.match(/\$\w+/g) ?? []))
  }
  const ids = dashboard.panels.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
})

test('what is read of a query', () => {
  const query = 'sum by (a, b) (rate(catalog_x{c!="d", e=~"by (f)"}[5m])) / on (g) up'
  expect(readQuery(query)).toEqual({
    ...{ metrics: ['catalog_x', 'up'], labels: ['c', 'e', 'a', 'b', 'g'], isClosed: true },
  })
  expect(readQuery('sum(catalog_x').isClosed).toBe(false)
})

/** By the looks of it: this is no parser. */
function readQuery(query: string): { metrics: string[]; labels: string[]; isClosed: boolean } {
  const matchers = [...query.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"[^"]*"/g)]
  const bare = query.replaceAll(/"[^"]*"/g, '')
  const groups = [...bare.matchAll(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g)]
  const grouped = groups.flatMap(([, names = '']) => names.match(/\w+/g) ?? [])
  const count = (sign: string): number => bare.split(sign).length
  return {
    metrics: bare.match(/\bcatalog_\w+|\bup\b/g) ?? [],
    labels: [...matchers.map(([, label = '']) => label), ...grouped],
    isClosed: ['()', '{}', '[]'].every(([open = '', close = '']) => count(open) === count(close)),
  }
}

function metricsOfPage(): ReadonlyMap<string, readonly string[]> {
  const rows = readText('docs/metrics.md').matchAll(/^\| `(\w+)` +\| \w+ +\| ([^|]*) \|/gm)
  const labels = [...rows].map(([, name = '', cell = '']): [string, string[]] => [
    name,
    [...cell.matchAll(/`(\w+)`/g)].map(([, label = '']) => label),
  ])
  return new Map([...labels, ['up', []]])
}
