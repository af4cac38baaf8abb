/**
 * Finds out the length of a body that came without one, which the node needs: small bodies are counted in memory, large ones go
 * through a temporary file of bounded size, which is removed when the body has been read or given up.
 */
import { randomUUID } from 'node:crypto'
import { open, rm, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OpenTarball } from './tarball-request.ts'

const MEMORY_BYTES = 1024 * 1024
const PIECE_BYTES = 256 * 1024
const MAX_FILE_BYTES = 4 * 1024 ** 3
/** A body that nothing has begun to read by then is given up: another source was faster. */
const MAX_UNREAD_MS = 60_000

export type SizedTarball = OpenTarball & { readonly size: number }

export async function withSize(
  opened: OpenTarball,
  { signal }: { signal: AbortSignal },
): Promise<SizedTarball> {
  const { size } = opened
  if (size !== undefined) return { ...opened, size }
  const iterator = opened.body[Symbol.asyncIterator]()
  const parts: Uint8Array[] = []
  let length = 0
  while (length <= MEMORY_BYTES) {
    const next = await iterator.next()
    if (next.done === true) return { ...opened, size: length, body: fromParts(parts) }
    parts.push(next.value)
    length += next.value.byteLength
  }
  return await spool(opened, { parts, iterator, signal })
}

async function spool(
  opened: OpenTarball,
  begun: { parts: Uint8Array[]; iterator: AsyncIterator<Uint8Array>; signal: AbortSignal },
): Promise<SizedTarball> {
  const { parts, iterator, signal } = begun
  const path = join(tmpdir(), `catalog-p2p-${randomUUID()}.tmp`)
  const file = await open(path, 'wx+', 0o600)
  let closing: Promise<void> | undefined
  const close = (): Promise<void> =>
    (closing ??= file.close().then(() => rm(path, { force: true })))
  const closeQuietly = (): void => {
    close().catch(() => undefined) // the system cleans up temporary files that can't be removed
  }
  signal.addEventListener('abort', closeQuietly, { once: true })
  try {
    let size = 0
    const write = async (bytes: Uint8Array): Promise<void> => {
      signal.throwIfAborted()
      size += bytes.byteLength
      if (size > MAX_FILE_BYTES)
        throw new Error(`the uplink sent more than ${MAX_FILE_BYTES} bytes`)
      await file.write(bytes)
    }
    for (const part of parts.splice(0)) await write(part)
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      await write(next.value)
    }
    const unread = setTimeout(closeQuietly, MAX_UNREAD_MS).unref()
    const body = fromFile(file, size, { begin: () => clearTimeout(unread), close: closeQuietly })
    return { ...opened, size, body }
  } catch (error) {
    closeQuietly()
    await iterator.return?.()
    throw error
  }
}

async function* fromFile(
  file: FileHandle,
  size: number,
  { begin, close }: { begin: () => void; close: () => void },
): AsyncGenerator<Uint8Array> {
  begin()
  try {
    for (let position = 0; position < size;) {
      const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, size - position))
      const { bytesRead } = await file.read(piece, 0, piece.byteLength, position)
      if (bytesRead === 0) throw new Error('a temporary file has become shorter')
      position += bytesRead
      yield piece.subarray(0, bytesRead)
    }
  } finally {
    close()
  }
}

async function* fromParts(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}
