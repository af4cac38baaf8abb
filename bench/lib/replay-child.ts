/** Asks a registry for every file of a corpus as a clean install does, 32 at a time, and checks each sha512 that is known. */
import { createHash } from 'node:crypto'
import { Agent, get } from 'node:http'
import { answerCalls, cpuMs } from './child.ts'
import { forEachConcurrently } from './concurrently.ts'
import type { CorpusFile } from './corpus.ts'
import { percentile } from './measure.ts'

export interface ReplayResult {
  readonly files: number
  readonly bad: number
  readonly bytes: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly cpuMs: number
}

const CONCURRENCY = 32
const HEADERS = { 'user-agent': 'npm/11.0.0 node/v24.0.0 linux x64 workspaces/false' }

async function replay(options: {
  host: string
  port: number
  files: readonly CorpusFile[]
  sendIntegrity: boolean
  headers?: Readonly<Record<string, string>> | undefined
}): Promise<ReplayResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY })
  const latencies: number[] = []
  let bytes = 0
  let bad = 0
  const cpuBefore = cpuMs()
  const startedMs = performance.now()

  async function fetchOne(file: CorpusFile): Promise<void> {
    const headers = {
      ...HEADERS,
      ...options.headers,
      ...(options.sendIntegrity && { 'pacote-integrity': file.integrity }),
    }
    await new Promise<void>((resolve) => {
      const fail = (error: Error): void => {
        if (bad++ < 3) console.error(`replay: ${file.path}: ${error.message}`)
        resolve()
      }
      const path = `/${file.path}`
      const request = get(
        { host: options.host, port: options.port, path, agent, headers },
        (response) => {
          const hash = createHash('sha512')
          response.on('data', (part: Buffer) => {
            hash.update(part)
            bytes += part.byteLength
          })
          response.on('error', fail)
          response.on('end', () => {
            const isRight =
              file.integrity === '' || `sha512-${hash.digest('base64')}` === file.integrity
            const good = response.statusCode === 200 && isRight
            if (good) resolve()
            else fail(new Error(`status ${response.statusCode ?? 0}`))
          })
        },
      )
      request.on('error', fail)
    })
  }

  await forEachConcurrently(options.files, CONCURRENCY, async (file) => {
    const fromMs = performance.now()
    await fetchOne(file)
    latencies.push(performance.now() - fromMs)
  })
  const seconds = (performance.now() - startedMs) / 1000
  agent.destroy()
  latencies.sort((a, b) => a - b)
  return {
    files: options.files.length,
    bad,
    bytes,
    seconds,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    maxMs: percentile(latencies, 1),
    cpuMs: cpuMs() - cpuBefore,
  }
}

/** Whether a server answers HTTP there. */
async function answers({ host, port }: { host: string; port: number }): Promise<boolean> {
  return await fetch(`http://${host}:${port}/`).then(
    async (response) => {
      await response.arrayBuffer()
      return true
    },
    () => false,
  )
}

answerCalls({ replay, answers }, () => Promise.resolve())
