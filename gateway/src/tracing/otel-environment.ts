/**
 * Where traces go, as OpenTelemetry's variables say it: those that its own SDKs read, so that what is set for other programs of a
 * machine holds here too. Pure. https://opentelemetry.io/docs/specs/otel/protocol/exporter/
 */
import type { TraceTarget } from './trace-target.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface TraceSettings {
  /** undefined: none are sent. */
  readonly traces?: TraceTarget
  /** Why none are sent although a collector is named. */
  readonly problem?: string
}

const DEFAULT_TIMEOUT_MS = 10_000
const MAX_TIMEOUT_MS = 60_000

export function tracesFrom(env: Environment): TraceSettings {
  const base = env.OTEL_EXPORTER_OTLP_ENDPOINT?.trim() ?? ''
  const own = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?.trim() ?? ''
  if ((base === '' && own === '') || isOff(env)) return {}
  const [name, text]: [string, string] =
    own === ''
      ? ['OTEL_EXPORTER_OTLP_ENDPOINT', `${base.replace(/\/+$/, '')}/v1/traces`]
      : ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', own]
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    return { problem: `${name} is not an http or https URL` }
  }
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? env.OTEL_EXPORTER_OTLP_PROTOCOL
  if (protocol?.trim() === 'grpc') {
    return {
      problem:
        'catalog sends OTLP over HTTP, and OTEL_EXPORTER_OTLP_PROTOCOL says grpc: set ' +
        'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json for catalog, and the address of the HTTP port (4318)',
    }
  }
  const headers = pairsIn(
    env.OTEL_EXPORTER_OTLP_TRACES_HEADERS ?? env.OTEL_EXPORTER_OTLP_HEADERS ?? '',
  )
  if (!Object.entries(headers).every(isHeader)) {
    return { problem: 'OTEL_EXPORTER_OTLP_HEADERS names something that is no header' }
  }
  const resource = pairsIn(env.OTEL_RESOURCE_ATTRIBUTES ?? '')
  const service = env.OTEL_SERVICE_NAME?.trim()
  if (service !== undefined && service !== '') resource['service.name'] = service
  return { traces: { url: text, headers, resource, timeoutMs: timeoutIn(env) } }
}

function isOff(env: Environment): boolean {
  return (
    env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true' ||
    env.OTEL_TRACES_EXPORTER?.trim() === 'none'
  )
}

/** `key1=value1,key2=value2`, values percent-encoded. https://www.w3.org/TR/baggage/#header-content */
function pairsIn(text: string): Record<string, string> {
  const pairs = text.split(',').flatMap((pair): [string, string][] => {
    const at = pair.indexOf('=')
    const key = pair.slice(0, Math.max(0, at)).trim()
    return key === '' ? [] : [[key, decoded(pair.slice(at + 1).trim())]]
  })
  return Object.fromEntries(pairs)
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value // a stray %
  }
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-5.5 */
function isHeader([name, value]: [string, string]): boolean {
  return /^[\w!#$%&'*+.^`|~-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
}

function timeoutIn(env: Environment): number {
  const text = env.OTEL_EXPORTER_OTLP_TRACES_TIMEOUT ?? env.OTEL_EXPORTER_OTLP_TIMEOUT
  const ms = Number(text)
  return Number.isInteger(ms) && ms > 0 ? Math.min(ms, MAX_TIMEOUT_MS) : DEFAULT_TIMEOUT_MS
}
