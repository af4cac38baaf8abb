import { expect, test } from 'vitest'
import { createFakeClock } from '../../../../test/support/fake-clock.ts'
import type { ByteStream } from '../../host/host.ts'
import { decodeAnswer, type ChunkAnswer } from '../../wire/transfer-messages.ts'
import { AnswerWriter } from './answer-writer.ts'

test('what is cancelled while it waits for its turn is not written', async () => {
  const ids: number[] = []
  const line = Promise.withResolvers<void>()
  const stream: Partial<ByteStream> = {
    async write(bytes) {
      const answer = decodeAnswer(bytes.subarray(4))
      if (answer.type === 'chunk') ids.push(answer.id)
      await line.promise
    },
  }
  const writer = new AnswerWriter(stream as ByteStream, createFakeClock())
  const cancelled = new Set<number>()
  const send = (id: number): Promise<boolean> => {
    const chunk: ChunkAnswer = {
      ...({ type: 'chunk', id, index: 0, encoding: 'none' } as const),
      bytes: Buffer.alloc(10),
    }
    return writer.sendIf(() => !cancelled.has(id), chunk)
  }
  const sent = Promise.all([1, 2, 3].map(send))
  await new Promise(setImmediate)
  cancelled.add(1).add(2)
  line.resolve()
  expect(await sent).toEqual([true, false, true])
  expect(ids).toEqual([1, 3])
})
