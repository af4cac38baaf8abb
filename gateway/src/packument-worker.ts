/** The worker thread that handles packuments; packument-jobs.ts starts it and speaks to it. */
import { parentPort } from 'node:worker_threads'
import { processPackument, type PackumentJob, type PackumentResult } from './packument-document.ts'

export interface JobMessage {
  readonly id: number
  readonly job: PackumentJob
}

export type AnswerMessage =
  | { readonly id: number; readonly result: PackumentResult }
  | { readonly id: number; readonly problem: string }

const port = parentPort
if (port === null) throw new Error('packument-worker.ts must be started as a worker')

port.on('message', ({ id, job }: JobMessage) => {
  try {
    const result = processPackument(job)
    const parts = [result.variant, result.ingested?.raw, result.ingested?.versions]
    const owned = parts.filter((part) => part !== undefined).map(own)
    const message: AnswerMessage = { id, result }
    port.postMessage(message, owned)
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    port.postMessage({ id, problem } satisfies AnswerMessage)
  }
})

// Moved to the main thread instead of copied. zlib hands out buffers of their own.
function own(part: Uint8Array): ArrayBuffer {
  return part.buffer as ArrayBuffer
}
