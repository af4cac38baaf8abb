/** Asks a registry for every file of a corpus as a clean install does, so many at a time, and checks each sha512 that is known. */
import { createHash } from 'node:crypto'
import * as http from 'node:http'
import * as https from 'node:https'
import { forEachConcurrently } from './concurrently.ts'
import type { CorpusFile } from './corpus.ts'
import { percentile } from './measure.ts'

export interface ReplayResult {
  readonly files: number
  readonly bad: number
  readonly bytes: number
  /** From the first request to the last byte. */
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface ReplayRequest {
  /** With no slash at its end. */
  readonly registry: string
  readonly files: readonly CorpusFile[]
  /** At a time, each on a connection of its own. */
  readonly concurrency: number
  /** As npm does; other clients name no digest. */
  readonly sendIntegrity: boolean
  readonly headers?: Readonly<Record<string, string>> | undefined
}

const HEADERS = { 'user-agent': 'npm/11.0.0 node/v24.0.0 linux x64 workspaces/false' }

export async function replayRequests(request: ReplayRequest): Promise<ReplayResult> {
  const { registry, files, concurrency, sendIntegrity } = request
  const { Agent, get } = registry.startsWith('https:') ? https : http
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency })
  const latencies: number[] = []
  let bytes = 0
  let bad = 0
  const startedMs = performance.now()

  async function fetchOne(file: CorpusFile): Promise<void> {
    const integrity = sendIntegrity && { 'pacote-integrity': file.integrity }
    const headers = { ...HEADERS, ...request.headers, ...integrity }
    await new Promise<void>((resolve) => {
      const fail = (error: Error): void => {
        if (bad++ < 3) console.error(`replay: ${file.path}: ${error.message}`)
        resolve()
      }
      const asked = get(`${registry}/${file.path}`, { agent, headers }, (response) => {
        const hash = createHash('sha512')
        response.on('data', (part: Buffer) => {
          hash.update(part)
          bytes += part.byteLength
        })
        response.on('error', fail)
        response.on('end', () => {
          const isRight =
            file.integrity === '' || `sha512-${hash.digest('base64')}` === file.integrity
          if (response.statusCode === 200 && isRight) resolve()
          else fail(new Error(`status ${response.statusCode ?? 0}`))
        })
      })
      asked.on('error', fail)
    })
  }

  await forEachConcurrently(files, concurrency, async (file) => {
    const fromMs = performance.now()
    await fetchOne(file)
    latencies.push(performance.now() - fromMs)
  })
  const seconds = (performance.now() - startedMs) / 1000
  agent.destroy()
  latencies.sort((a, b) => a - b)
  return {
    ...{ files: files.length, bad, bytes, seconds },
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    maxMs: percentile(latencies, 1),
  }
}
