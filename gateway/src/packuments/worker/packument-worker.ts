/** The worker thread that handles packuments; worker-slot.ts starts it and speaks to it. Says when it has started. */
import { parentPort } from 'node:worker_threads'
import {
  processPackument,
  type PackumentJob,
  type PackumentResult,
} from '../document/packument-document.ts'

export interface JobMessage {
  readonly id: number
  readonly job: PackumentJob
}

export type AnswerMessage =
  | { readonly isReady: true }
  | { readonly id: number; readonly result: PackumentResult }
  | { readonly id: number; readonly problem: string }

const MAX_POOLED_BYTES = 64 * 1024

const port = parentPort
if (port === null) throw new Error('packument-worker.ts must be started as a worker')

port.on('message', ({ id, job }: JobMessage) => {
  try {
    const result = movable(processPackument(job))
    const { variant, ingested, signed, list } = result
    const parts = [variant, ingested?.raw, ingested?.versions, signed?.body, list]
    const moved = parts.filter((part) => part !== undefined).map((part) => part.buffer)
    port.postMessage({ id, result } satisfies AnswerMessage, moved as ArrayBuffer[])
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    port.postMessage({ id, problem } satisfies AnswerMessage)
  }
})

port.postMessage({ isReady: true } satisfies AnswerMessage)

/** With buffers that can be moved to the main thread: Node's small ones lie in a pool that cannot. */
function movable({ variant, ingested, signed, list, ...rest }: PackumentResult): PackumentResult {
  const own = (part: Uint8Array): Uint8Array =>
    part.byteLength < MAX_POOLED_BYTES ? new Uint8Array(part) : part
  return {
    variant: variant && own(variant),
    ingested: ingested && {
      ...ingested,
      raw: own(ingested.raw),
      versions: own(ingested.versions),
    },
    ...rest,
    list: list && own(list),
    ...(signed && { signed: { ...signed, body: signed.body && own(signed.body) } }),
  }
}
