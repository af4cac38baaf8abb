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
          const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
          const start = Number(first ?? 0)
          const end =
            last === undefined || last === '' ? size - 1 : Math.min(Number(last), size - 1)
          const isPart = first !== undefined
          response.writeHead(isPart ? 206 : 200, {
            'content-length': end - start + 1,
            'accept-ranges': 'bytes',
            ...(isPart && { 'content-range': `bytes ${start}-${end}/${size}` }),
          })
          const range = { start, end, highWaterMark: 256 * 1024 }
          await pipeline(createReadStream(file, range), response)
        })().catch(() => response.destroy())
      })
      await new Promise<void>((resolve) => server?.listen(port, resolve))
    },
  },
  async () => void server?.closeAllConnections(),
)
