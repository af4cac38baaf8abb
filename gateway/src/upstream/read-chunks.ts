/**
 * The body of a registry's answer by its events, as fast as it comes: an async iterator over a stream costs more processor time than
 * all else about a short one. Only for what is bounded and wanted whole; holds nothing back, and decides nothing about the bytes.
 */
import type { Readable } from 'node:stream'
import { AnswerBody } from './answer-body.ts'

/**
 * Resolves at its end. `onChunk` may throw: then it is given up.
 * @throws what `onChunk` throws, or why the body broke off
 */
export function readChunks(body: Readable, onChunk: (chunk: Buffer) => void): Promise<void> {
  if (body instanceof AnswerBody) return body.readChunks(onChunk)
  return new Promise((resolve, reject) => {
    let isOver = false
    const end = (): void => {
      isOver = true
      resolve()
    }
    const fail = (error: Error | null = body.errored): void => {
      if (isOver) return
      isOver = true
      reject(error ?? new Error('the answer broke off'))
    }
    if (body.readableEnded) return end()
    if (body.destroyed) return fail() // its events are over
    body.once('end', end)
    body.once('error', fail)
    body.once('close', () => fail())
    body.on('data', (chunk: Buffer) => {
      if (isOver) return
      try {
        onChunk(chunk)
      } catch (error) {
        fail(error as Error)
        body.destroy()
      }
    })
  })
}
