/**
 * Spans as OTLP writes them in JSON: ids in hex, times in nanoseconds and whole numbers as strings, enumerations as numbers. Pure.
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */

export type Value = string | number | boolean | readonly string[]

type AnyValue =
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly arrayValue: { readonly values: readonly AnyValue[] } }

export interface KeyValue {
  readonly key: string
  readonly value: AnyValue
}

/** SpanKind of trace.proto. */
export const INTERNAL = 1
export const SERVER = 2
/** StatusCode of trace.proto. */
const ERROR = 2

export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly KeyValue[]
  readonly events?: readonly { readonly timeUnixNano: string; readonly name: string }[]
  readonly status?: { readonly code: number; readonly message?: string }
}

/** What is undefined is left out. */
export function attributesOf(values: Readonly<Record<string, Value | undefined>>): KeyValue[] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: anyValue(value) }],
  )
}

function anyValue(value: Value): AnyValue {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value !== 'number') return { arrayValue: { values: value.map(anyValue) } }
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}

export function errorStatus(message: string): NonNullable<Span['status']> {
  return { code: ERROR, message }
}

/** @param ms of performance.now(); to a microsecond, which is all that a number can hold */
export function unixNano(ms: number): string {
  return `${Math.round((performance.timeOrigin + ms) * 1000)}000`
}

/** The body of one request: an ExportTraceServiceRequest. */
export function traceRequest(
  spans: readonly Span[],
  { resource, version }: { resource: readonly KeyValue[]; version: string },
): string {
  const scope = { name: '@catalog-p2p/gateway', version }
  const scopeSpans = [{ scope, spans }]
  return JSON.stringify({ resourceSpans: [{ resource: { attributes: resource }, scopeSpans }] })
}
