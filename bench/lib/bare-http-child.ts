/** The least that a server in Node takes: `node:http` and a map of what it has in memory, which answers 304 where it may. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { answerCalls } from './child.ts'

let server: Server | undefined

answerCalls(
  {
    /** The files of a folder, by their paths in it. */
    async start({ folder, paths }: { folder: string; paths: readonly string[] }) {
      const files = new Map<string, { readonly body: Buffer; readonly etag: string }>()
      for (const path of paths) {
        const body = await readFile(join(folder, path))
        const etag = `"${createHash('sha256').update(body).digest('hex')}"`
        files.set(`/${path}`, { body, etag })
      }
      server = createServer((request, response) => {
        const file = files.get(request.url ?? '')
        if (file === undefined) return void response.writeHead(404).end()
        const { body, etag } = file
        if (request.headers['if-none-match'] === etag) {
          return void response.writeHead(304, { etag }).end()
        }
        const type = 'application/octet-stream'
        const headers = { etag, 'content-type': type, 'content-length': body.byteLength }
        response.writeHead(200, headers).end(body)
      })
      await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
      return { port: (server.address() as AddressInfo).port, pid: process.pid }
    },
  },
  async () => void server?.closeAllConnections(),
)
