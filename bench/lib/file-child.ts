/** A server of files for other machines, as the storage behind a CI's cache is. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { answerCalls } from './child.ts'

let server: Server | undefined

answerCalls(
  {
    async start({ folder, port }: { folder: string; port: number }) {
      server = createServer((request, response) => {
        void (async () => {
          const file = join(folder, basename(request.url ?? ''))
          const { size } = await stat(file)
          response.writeHead(200, { 'content-length': size })
          await pipeline(createReadStream(file, { highWaterMark: 256 * 1024 }), response)
        })().catch(() => response.destroy())
      })
      await new Promise<void>((resolve) => server?.listen(port, resolve))
    },
  },
  async () => void server?.closeAllConnections(),
)
