/**
 * What a plugin takes for a daemon: answers on /-/catalog/health and hints as one does, and on tarballs as the test says, well or badly.
 * Knows what it was asked.
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HintedPackage {
  readonly name: string
  readonly version: string
  readonly integrity?: string
}

export interface ScriptedDaemon extends AsyncDisposable {
  readonly port: number
  /** Paths of tarballs, decoded. */
  readonly tarballs: readonly string[]
  /** One entry a list that was posted. */
  readonly hints: readonly (readonly HintedPackage[])[]
  /** Headers of the posts, in the same order. */
  readonly hintHeaders: readonly Readonly<Record<string, unknown>>[]
}

export async function startScriptedDaemon(options: {
  /** The upstream that it claims; with a slash at its end. */
  readonly registry: string
  /** `count`: which request of a tarball it is, from 1. */
  readonly answer: (path: string, response: ServerResponse, count: number) => void
  /** Accepts questions about itself and never answers them. */
  readonly isMute?: boolean
  /** It says that its upstream is npm's public registry. */
  readonly isPublicDefault?: boolean
}): Promise<ScriptedDaemon> {
  const tarballs: string[] = []
  const hints: (readonly HintedPackage[])[] = []
  const hintHeaders: Readonly<Record<string, unknown>>[] = []
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '/')
    if (path.startsWith('/-/catalog/') && options.isMute === true) return
    if (path === '/-/catalog/health') {
      const { registry: url, isPublicDefault = false } = options
      const registries = [{ scope: null, url, isPublicDefault }]
      response.end(JSON.stringify({ status: 'ok', id: 'scripted', registries }))
      return
    }
    if (path === '/-/catalog/hints') {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { packages } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
          packages: HintedPackage[]
        }
        hints.push(packages)
        hintHeaders.push(request.headers)
        response.writeHead(202).end(JSON.stringify({ accepted: packages.length }))
      })
      return
    }
    tarballs.push(path)
    options.answer(path, response, tarballs.length)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    ...{ tarballs, hints, hintHeaders },
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
