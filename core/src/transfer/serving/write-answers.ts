/** Puts answers on a stream: small ones as one write, large bytes as they are. */
import type { ByteStream } from '../../host/host.ts'
import { encodeAnswer, encodeChunk, type Answer } from '../../wire/transfer-messages.ts'

/** Copying less than this costs less than a second write. */
const GATHER_BYTES = 32 * 1024

/** All writes are queued before any is waited for, so nothing comes between them. Returns how many bytes it were. */
export async function writeAnswers(
  stream: ByteStream,
  answers: readonly Answer[],
): Promise<number> {
  const parts = answers.flatMap((answer) =>
    answer.type === 'chunk' ? encodeChunk(answer) : [encodeAnswer(answer)],
  )
  const body = parts.at(-1)
  if (parts.length === 1 || body === undefined || body.byteLength <= GATHER_BYTES) {
    await stream.write(parts.length === 1 && body ? body : Buffer.concat(parts))
  } else {
    await Promise.all([stream.write(Buffer.concat(parts.slice(0, -1))), stream.write(body)])
  }
  return parts.reduce((sum, part) => sum + part.byteLength, 0)
}
