/** TLS in front of a registry on loopback, with a certificate that nobody knows; what the registry says names the front. */
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { selfSigned } from '../features/features-certificate.ts'

export interface TlsFront extends AsyncDisposable {
  /** Without a trailing slash. */
  readonly url: string
  /** PEM. */
  readonly certificate: string
}

/** `origin`: without a trailing slash. */
export async function startTlsFront(origin: string): Promise<TlsFront> {
  const { certificate, key } = selfSigned('localhost')
  const server = createServer({ cert: certificate, key }, (request, response) => {
    const { accept = '*/*', host = '' } = request.headers
    void fetch(new URL(request.url ?? '/', origin), { headers: { accept } })
      .then(async (answer) => {
        const type = answer.headers.get('content-type') ?? 'application/octet-stream'
        const bytes = Buffer.from(await answer.arrayBuffer())
        const isJson = type.endsWith('json')
        const body = isJson ? bytes.toString().replaceAll(origin, `https://${host}`) : bytes
        response.writeHead(answer.status, { 'content-type': type }).end(body)
      })
      .catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  return {
    ...{ url, certificate },
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}
