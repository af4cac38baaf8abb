import { expect, test } from 'vitest'
import { tracesFrom } from './otel-environment.ts'

const BASE = 'OTEL_EXPORTER_OTLP_ENDPOINT'
const OWN = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'

test.each([
  [{}],
  [{ [BASE]: '' }],
  [{ OTEL_SERVICE_NAME: 'x', OTEL_EXPORTER_OTLP_HEADERS: 'a=b' }],
  [{ [BASE]: 'http://127.0.0.1:4318', OTEL_SDK_DISABLED: 'TRUE' }],
  [{ [BASE]: 'http://127.0.0.1:4318', OTEL_TRACES_EXPORTER: 'none' }],
])('nothing is sent with %j', (env) => {
  expect(tracesFrom(env)).toEqual({})
})

test.each([
  [{ [BASE]: 'http://127.0.0.1:4318' }, 'http://127.0.0.1:4318/v1/traces'],
  [{ [BASE]: 'https://otel.example/in/' }, 'https://otel.example/in/v1/traces'],
  [{ [BASE]: 'http://a.example', [OWN]: 'http://b.example/x' }, 'http://b.example/x'],
])('%j is posted to %s', (env, url) => {
  expect(tracesFrom(env).traces?.url).toBe(url)
})

test('headers, names and the deadline are those of every SDK', () => {
  const env = {
    [BASE]: 'http://127.0.0.1:4318',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20YTpi=, x-team = core,,odd,100%=1%',
    OTEL_EXPORTER_OTLP_TIMEOUT: '2500',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=ci,service.name=other',
    OTEL_SERVICE_NAME: 'catalog-ci',
  }
  expect(tracesFrom(env).traces).toEqual({
    url: 'http://127.0.0.1:4318/v1/traces',
    headers: { authorization: 'Basic YTpi=', 'x-team': 'core', '100%': '1%' },
    resource: { 'deployment.environment.name': 'ci', 'service.name': 'catalog-ci' },
    timeoutMs: 2500,
  })
  const traces = { ...env, OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-team=traces' }
  expect(tracesFrom(traces).traces?.headers).toEqual({ 'x-team': 'traces' })
  expect(tracesFrom({ ...env, OTEL_EXPORTER_OTLP_TIMEOUT: 'soon' }).traces?.timeoutMs).toBe(10_000)
})

test.each([
  [{ [BASE]: '127.0.0.1:4318' }, BASE],
  [{ [OWN]: 'ftp://otel.example' }, OWN],
  [{ [BASE]: 'http://a.example:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, '4318'],
  [{ [BASE]: 'http://a.example', OTEL_EXPORTER_OTLP_HEADERS: 'a b=c' }, 'no header'],
  [{ [BASE]: 'http://a.example', OTEL_EXPORTER_OTLP_HEADERS: 'a=b%0D%0Ac' }, 'no header'],
])('%j is a problem that names %s', (env, said) => {
  const { traces, problem } = tracesFrom(env)
  expect(traces).toBeUndefined()
  expect(problem).toContain(said)
})
