/**
 * Whether an archive is a gzip that may be unpacked at all: Yarn unpacks into memory, and a few kilobytes can become a
 * terabyte. Unpacks as a stream and keeps nothing.
 */
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** @throws Error when it is no gzip, is broken, or holds more than `maxBytes` */
export async function requireUnpackedSize(archive: Buffer, maxBytes: number): Promise<void> {
  const gunzip = createGunzip()
  const source = Readable.from([archive]).pipe(gunzip)
  let size = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    size += chunk.byteLength
    if (size > maxBytes) throw new Error(`it unpacks to more than ${maxBytes} bytes`)
  }
}
