/** An OpenTelemetry collector on loopback, as far as it takes traces in JSON; it can refuse and be silent. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Span } from '../../gateway/src/tracing/otlp-span.ts'

interface TraceRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Span['attributes'] }
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[]
  }[]
}

export interface TraceCollector extends AsyncDisposable {
  readonly url: string
  readonly requests: { headers: IncomingHttpHeaders; body: TraceRequest }[]
  /** Of all requests that were taken. */
  readonly spans: readonly Span[]
  /** What the next requests are answered with; undefined: nothing at all. */
  status: number | undefined
}

export async function startCollector(): Promise<TraceCollector> {
  const requests: TraceCollector['requests'] = []
  const taken: TraceRequest[] = []
  const server = createServer((req, res) => {
    void (async () => {
      let text = ''
      for await (const part of req.setEncoding('utf8')) text += String(part)
      const body = JSON.parse(text) as TraceRequest
      requests.push({ headers: req.headers, body })
      const { status } = collector
      if (status === undefined) return
      if (status < 300) taken.push(body)
      res.writeHead(status, { 'content-type': 'application/json' }).end('{}')
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const collector: TraceCollector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    requests,
    get spans() {
      return taken.flatMap(({ resourceSpans }) =>
        resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
      )
    },
    status: 200,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return collector
}

/** As one would write them. */
export function valuesOf(attributes: Span['attributes']): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const [kind, plain] = Object.entries(value)[0] ?? []
      return [key, kind === 'intValue' ? Number(plain) : plain]
    }),
  )
}
