import { afterEach, beforeEach, expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import {
  startCollector,
  valuesOf,
  type TraceCollector,
} from '../../../test/support/trace-collector.ts'
import { until } from '../../../test/support/until.ts'
import { Activity } from '../activity/activity.ts'
import { InstallTraces } from './install-traces.ts'
import { OtlpExporter } from './otlp-exporter.ts'
import type { TraceTarget } from './trace-target.ts'

let collector: TraceCollector
const logged: string[] = []
const note = (event: string): void => void logged.push(event)
const log = { debug: note, info: note, warn: note, error: note }

beforeEach(async () => {
  logged.length = 0
  collector = await startCollector()
})
afterEach(() => collector[Symbol.asyncDispose]())

const target = (more: Partial<TraceTarget> = {}): TraceTarget => ({
  ...{ url: collector.url, headers: {}, resource: {}, timeoutMs: 5_000, ...more },
})
const headers = { 'user-agent': 'npm/11.6.0', 'npm-session': 'a1b2c3d4e5' }
const exchange = { req: { headers }, res: { destroyed: false } }
const LODASH = { kind: 'tarball', name: 'lodash', version: '4.17.21' } as const

test('an install through the gateway is one trace: what it asked for, where from, how long', async () => {
  const one = makePackage('fx-one', '1.0.0')
  const traces = {
    url: collector.url,
    headers: { authorization: 'Basic YTpi' },
    resource: { 'service.name': 'catalog-test' },
  }
  await using world = await gatewayWorld({ packages: [one], traces })
  await world.get('/fx-one', headers)
  await world.get('/fx-one/-/fx-one-1.0.0.tgz', headers)
  await world.get('/fx-none', headers)
  await world.gateway.stop()

  const [request] = collector.requests
  expect(request?.headers).toMatchObject({
    ...{ authorization: 'Basic YTpi', 'content-type': 'application/json' },
  })
  const [of] = request?.body.resourceSpans ?? []
  expect(valuesOf(of?.resource.attributes ?? [])).toMatchObject({
    ...{ 'service.name': 'catalog-test', 'process.pid': process.pid },
  })
  const root = collector.spans.find(({ parentSpanId }) => parentSpanId === undefined)
  const children = collector.spans.filter((span) => span !== root)
  expect(children.map(({ name }) => name)).toEqual([
    ...['metadata fx-one', 'tarball fx-one@1.0.0', 'metadata fx-none'],
  ])
  expect(root).toMatchObject({ name: 'install', kind: 1, status: { code: 2 } })
  expect(root?.traceId).toMatch(/^[0-9a-f]{32}$/)
  expect(root?.spanId).toMatch(/^[0-9a-f]{16}$/)
  expect(valuesOf(root?.attributes ?? [])).toMatchObject({
    'catalog.client': 'npm/11.6.0',
    'catalog.tarballs.origin': 1,
    'catalog.bytes.origin': one.tarball.length,
    'catalog.requests.metadata': 2,
    'catalog.requests.failed': 1,
  })
  for (const child of children) {
    expect(child).toMatchObject({ traceId: root?.traceId, parentSpanId: root?.spanId, kind: 2 })
    const times = [child.startTimeUnixNano, child.endTimeUnixNano]
    for (const time of times) expect(time).toMatch(/^\d{19}$/)
    expect(times.toSorted()).toEqual(times)
    expect(child.startTimeUnixNano >= (root?.startTimeUnixNano ?? '')).toBe(true)
  }
  const [, tarball, missing] = children
  expect(tarball?.events?.map(({ name }) => name)).toEqual(['located', 'first bytes'])
  expect(valuesOf(tarball?.attributes ?? [])).toMatchObject({
    ...{ 'catalog.package.name': 'fx-one', 'catalog.package.version': '1.0.0' },
    ...{ 'catalog.source': 'origin', 'catalog.bytes': one.tarball.length },
    ...{ 'catalog.outcome': 'done', 'catalog.kind': 'tarball' },
  })
  expect(missing?.status).toMatchObject({ code: 2 })
})

test('an install is sent when its client has paused; what comes later is of the same trace', async () => {
  const activity = new Activity()
  const traces = new InstallTraces({ activity, log }, target())
  const ask = () => activity.track(exchange, LODASH, async () => undefined)
  await ask()
  await traces.tick(performance.now())
  expect(collector.spans.map(({ name }) => name)).toEqual(['tarball lodash@4.17.21'])
  await traces.tick(performance.now() + 11_000)
  expect(collector.spans.map(({ name }) => name).slice(1)).toEqual(['install'])
  await ask()
  await traces.close()
  expect(collector.spans).toHaveLength(3)
  expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(1)
  await ask() // nobody listens any more
  expect(logged).toEqual([])
})

const span = {
  ...{ traceId: '0'.repeat(32), spanId: '0'.repeat(16), name: 'x', kind: 1 },
  ...{ startTimeUnixNano: '1', endTimeUnixNano: '2', attributes: [] },
}
const SOON = Infinity

test('a collector that is busy gets the spans later; one line in the log, and one when it is back', async () => {
  const exporter = new OtlpExporter({ log }, target())
  exporter.add(span)
  for (const status of [503, 429]) {
    collector.status = status
    await exporter.flush(SOON)
  }
  await exporter.flush() // too early
  expect(collector.requests).toHaveLength(2)
  collector.status = 200
  await exporter.flush(SOON)
  expect(collector.spans).toHaveLength(1)
  expect(logged).toEqual(['traces.not-sent', 'traces.sent'])
})

test('what a collector will not have is dropped, and so is what the queue has no room for', async () => {
  const exporter = new OtlpExporter({ log }, target())
  exporter.add(span)
  collector.status = 400
  await exporter.flush()
  collector.status = 200
  for (let index = 0; index < 10_000; index += 1) exporter.add(span)
  await exporter.flush(SOON)
  expect(collector.spans).toHaveLength(8192)
  expect(collector.requests).toHaveLength(1 + 8192 / 512)
})

test('a collector that says nothing, or is not there, holds up neither installs nor the end', async () => {
  collector.status = undefined
  const silent = new OtlpExporter({ log }, target({ timeoutMs: 50 }))
  silent.add(span)
  await silent.flush()
  const closing = new OtlpExporter({ log }, target())
  closing.add(span)
  void closing.flush()
  await until(() => collector.requests.length === 2)
  await closing.close()
  const gone = new OtlpExporter({ log }, target({ url: 'http://127.0.0.1:1/v1/traces' }))
  gone.add(span)
  await gone.close()
  expect(logged).toEqual(['traces.not-sent', 'traces.not-sent', 'traces.not-sent'])
})
