/** A registry on loopback over corpora, as fast as Node serves it: packuments made from the list, tarballs from memory. */
import { readFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { answerCalls } from './child.ts'
import type { Corpus, CorpusFile } from './corpus.ts'

/** How far away the registry seems. */
export interface Distance {
  /** By which the head of each answer is delayed. */
  readonly delayMs: number
  /** Shared by all answers; 0: no limit. */
  readonly bytesPerSecond: number
}

let server: Server | undefined
let distance: Distance = { delayMs: 0, bytesPerSecond: 0 }
let lineFreeAtMs = 0

const PIECE = 64 * 1024

async function sendOverLine(response: ServerResponse, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength && !response.destroyed; offset += PIECE) {
    const piece = bytes.subarray(offset, offset + PIECE)
    const nowMs = performance.now()
    lineFreeAtMs =
      Math.max(lineFreeAtMs, nowMs) + (piece.byteLength / distance.bytesPerSecond) * 1000
    if (lineFreeAtMs - nowMs > 2) await sleep(lineFreeAtMs - nowMs)
    response.write(piece)
  }
  response.end()
}

async function start(options: {
  corpora: readonly Corpus[]
  distance?: Distance | undefined
}): Promise<{ port: number }> {
  if (options.distance) distance = options.distance
  const tarballs = new Map<string, Buffer>()
  const versions = new Map<string, CorpusFile[]>()
  const all = options.corpora.flatMap(({ folder, files }) =>
    files.map((file) => ({ folder, file })),
  )
  for (const { folder, file } of all) {
    tarballs.set(`/${file.path}`, await readFile(join(folder, 'tarballs', file.path)))
    versions.set(file.name, [...(versions.get(file.name) ?? []), file])
  }
  server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    void (async () => {
      if (distance.delayMs > 0) await sleep(distance.delayMs)
      const path = decodeURIComponent(request.url ?? '/')
      const tarball = tarballs.get(path)
      if (tarball !== undefined) {
        response.writeHead(200, {
          'content-type': 'application/octet-stream',
          'content-length': tarball.byteLength,
        })
        if (distance.bytesPerSecond > 0) return await sendOverLine(response, tarball)
        response.end(tarball)
        return
      }
      const files = versions.get(path.slice(1))
      if (files === undefined) {
        response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
        return
      }
      const origin = `http://127.0.0.1:${(server?.address() as AddressInfo).port}`
      const body = JSON.stringify(packument(origin, path.slice(1), files))
      response.writeHead(200, { 'content-type': 'application/json' }).end(body)
    })()
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port }
}

function packument(origin: string, name: string, files: readonly CorpusFile[]): unknown {
  const entries = files.map(({ version, path, integrity, dependencies = {} }) => {
    const dist = { tarball: `${origin}/${path}`, integrity }
    return [version, { name, version, dependencies, dist }] as const
  })
  return {
    name,
    'dist-tags': { latest: entries[0]?.[0] },
    versions: Object.fromEntries(entries),
    time: {},
  }
}

answerCalls({ start }, async () => void server?.closeAllConnections())
