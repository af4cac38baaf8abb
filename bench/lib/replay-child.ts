/** The client of a replay as a process that goes on: connections are new each time, its code is warm. */
import { answerCalls, cpuMs } from './child.ts'
import type { CorpusFile } from './corpus.ts'
import { replayRequests, type ReplayResult as Result } from './replay-requests.ts'

export interface ReplayResult extends Result {
  readonly cpuMs: number
}

const CONCURRENCY = 32

async function replay(options: {
  host: string
  port: number
  isTls?: boolean | undefined
  files: readonly CorpusFile[]
  sendIntegrity: boolean
  headers?: Readonly<Record<string, string>> | undefined
  concurrency?: number | undefined
}): Promise<ReplayResult> {
  const { host, port, isTls = false, ...asked } = options
  const cpuBefore = cpuMs()
  const registry = `${isTls ? 'https' : 'http'}://${host}:${port}`
  const result = await replayRequests({
    ...asked,
    ...{ registry, concurrency: asked.concurrency ?? CONCURRENCY },
  })
  return { ...result, cpuMs: cpuMs() - cpuBefore }
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
