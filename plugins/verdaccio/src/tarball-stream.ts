/**
 * The stream that Verdaccio expects of an uplink: `content-length` before the first byte, then data, then `end` or `error`. When the
 * reader takes nothing for too long, the stream fails and its source is aborted.
 */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { TarballStream } from './verdaccio.ts'

export interface Tarball {
  /** Called when the first byte is there: until then another source may take over. */
  readonly size: () => number | undefined
  readonly body: AsyncIterable<Uint8Array>
}

type Produce = (options: { signal: AbortSignal }) => Promise<Tarball>

/** Calls `produce` at once; its errors become the stream's. */
export function toTarballStream(
  produce: Produce,
  options: { readonly stallMs: number },
): TarballStream {
  const giveUp = new AbortController()
  const stream = Object.assign(new PassThrough(), {
    abort: () => giveUp.abort(new Error('Verdaccio gave the tarball up')),
  })
  // Without a listener an error would end the process.
  stream.on('error', () => undefined)
  stream.once('close', () => giveUp.abort(new Error('the tarball stream is closed')))
  pump(stream, produce, { ...options, giveUp }).catch((error: unknown) => {
    stream.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  return stream
}

async function pump(
  stream: PassThrough,
  produce: Produce,
  { stallMs, giveUp }: { stallMs: number; giveUp: AbortController },
): Promise<void> {
  const { signal } = giveUp
  const { size, body } = await produce({ signal })
  let hasBegun = false
  for await (const chunk of body) {
    signal.throwIfAborted()
    // Not before the first byte: until then Verdaccio can answer an error with a status.
    const length = hasBegun ? undefined : size()
    if (length !== undefined) stream.emit('content-length', String(length))
    hasBegun = true
    if (stream.write(chunk)) continue
    const stalled = setTimeout(() => {
      giveUp.abort(new Error(`nobody took the tarball for ${stallMs} ms`))
    }, stallMs)
    try {
      await once(stream, 'drain', { signal })
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      clearTimeout(stalled)
    }
  }
  stream.end()
}
