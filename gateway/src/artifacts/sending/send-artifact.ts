/**
 * An artifact onto an HTTP response: whole or one range of it. The last byte of an answer goes out only after the whole
 * artifact has been verified; when that fails, the connection is cut, so that no client takes a part for the whole.
 */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Artifact } from '@catalog-p2p/core'
import { parseRange, type ByteRange } from '../../http/range.ts'

const ALL: ByteRange = { start: 0, end: Number.POSITIVE_INFINITY }

export interface ArtifactAnswer {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** Names and values in turn, beside those that say which part of it this is, and how long. */
  readonly headers: readonly string[]
}

/**
 * Resolves to the bytes sent. Rejects with the artifact's error: before any byte was sent, the caller can still answer with an
 * error.
 */
export async function sendArtifact(answer: ArtifactAnswer, artifact: Artifact): Promise<number> {
  const { req, res } = answer
  const { size } = artifact
  let range = ALL
  if (size !== undefined && req.headers.range !== undefined && isCurrent(req, artifact.digest)) {
    const asked = parseRange(req.headers.range, size)
    if (asked === 'unsatisfiable') return refuseRange(answer, size)
    if (asked !== 'whole') range = asked
  }
  const partial = range !== ALL
  const length = partial ? range.end - range.start : size
  if (req.method !== 'HEAD' && artifact.bytes !== undefined) {
    const part = partial ? artifact.bytes.subarray(range.start, range.end) : artifact.bytes
    writeHead(answer, { size, length, range: partial ? range : undefined })
    res.end(part)
    return part.byteLength
  }
  if (req.method === 'HEAD') {
    writeHead(answer, { size, length, range: partial ? range : undefined })
    res.end()
    return 0
  }
  return stream(answer, artifact, { range, length })
}

async function stream(
  answer: ArtifactAnswer,
  artifact: Artifact,
  want: { range: ByteRange; length: number | undefined },
): Promise<number> {
  const { res } = answer
  let offset = 0
  let sent = 0
  // One piece behind, so that the last one of the range waits for the verification of the whole.
  let held: Uint8Array | undefined
  const send = async (piece: Uint8Array): Promise<void> => {
    if (!res.headersSent) {
      const range = want.range === ALL ? undefined : want.range
      writeHead(answer, { size: artifact.size, length: want.length, range })
    }
    sent += piece.byteLength
    if (!res.write(piece)) await drained(res)
  }
  for await (const chunk of artifact.body) {
    const from = Math.max(want.range.start - offset, 0)
    const to = Math.min(want.range.end - offset, chunk.byteLength)
    offset += chunk.byteLength
    if (to <= from) continue
    if (held !== undefined) await send(held)
    held = chunk.subarray(from, to)
  }
  if (held !== undefined) await send(held)
  if (!res.headersSent) writeHead(answer, { size: 0, length: 0, range: undefined })
  res.end()
  return sent
}

/** @throws Error when the client has gone; the server's idle timeout bounds the wait */
async function drained(res: ServerResponse): Promise<void> {
  if (res.destroyed) throw new Error('the client has gone')
  const gone = new AbortController()
  const onClose = (): void => gone.abort(new Error('the client has gone'))
  res.once('close', onClose)
  try {
    await once(res, 'drain', { signal: gone.signal })
  } finally {
    res.off('close', onClose)
  }
}

interface Head {
  readonly size: number | undefined
  readonly length: number | undefined
  readonly range: ByteRange | undefined
}

function writeHead({ res, headers }: ArtifactAnswer, { size, length, range }: Head): void {
  const lengths = length === undefined ? [] : ['content-length', String(length)]
  if (range === undefined) {
    res.writeHead(200, [...headers, ...lengths])
    return
  }
  const part = `bytes ${range.start}-${range.end - 1}/${size ?? '*'}`
  res.writeHead(206, [...headers, ...lengths, 'content-range', part])
}

function refuseRange({ res, headers }: ArtifactAnswer, size: number): number {
  const none = ['content-range', `bytes */${size}`, 'content-length', '0']
  res.writeHead(416, [...headers, ...none]).end()
  return 0
}

// If-Range: only a client that holds a part of these very bytes gets the rest of them.
function isCurrent(req: IncomingMessage, digest: string): boolean {
  const given = req.headers['if-range']
  return given === undefined || given === `"${digest}"`
}
