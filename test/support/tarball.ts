/**
 * Writes the .tgz of a fixture package: with one Node, the same files always give the same bytes (no
 * clock, no user, no platform in them). Tests only.
 * Format: POSIX ustar, https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06
 */
import { crc32, gzipSync } from 'node:zlib'

export interface TarFile {
  /** Inside the package, `/` between folders. */
  readonly path: string
  readonly content: string | Uint8Array
  readonly executable?: boolean
}

const BLOCK_BYTES = 512
/** What npm itself stamps on every packed file. */
const MODIFIED_SECONDS = 499162500

/** The files under `package/`, gzipped. */
export function packTarball(files: readonly TarFile[]): Buffer {
  const parts: Buffer[] = []
  for (const file of files) {
    const content = Buffer.from(file.content)
    parts.push(header(file, content.byteLength), content)
    parts.push(Buffer.alloc((BLOCK_BYTES - (content.byteLength % BLOCK_BYTES)) % BLOCK_BYTES))
  }
  parts.push(Buffer.alloc(2 * BLOCK_BYTES))
  return gzip(Buffer.concat(parts))
}

function header(file: TarFile, size: number): Buffer {
  const { prefix, path } = splitPath(`package/${file.path}`)
  const block = Buffer.alloc(BLOCK_BYTES)
  const octal = (value: number, offset: number, length: number): void => {
    block.write(value.toString(8).padStart(length - 1, '0'), offset, 'latin1')
  }
  block.write(path, 0)
  octal(file.executable === true ? 0o755 : 0o644, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(MODIFIED_SECONDS, 136, 12)
  block.write('        ', 148, 'latin1')
  block.write('0', 156, 'latin1')
  block.write('ustar\u000000', 257, 'latin1')
  block.write(prefix, 345)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1')
  return block
}

/** ustar keeps what does not fit into its name field in front of a slash, in another. */
function splitPath(whole: string): { prefix: string; path: string } {
  if (Buffer.byteLength(whole) <= 100) return { prefix: '', path: whole }
  for (let at = whole.indexOf('/'); at >= 0; at = whole.indexOf('/', at + 1)) {
    const [prefix, path] = [whole.slice(0, at), whole.slice(at + 1)]
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(path) <= 100) return { prefix, path }
  }
  throw new Error(`path too long for ustar: ${whole}`)
}

/** Small input is compressed; large input is random in our fixtures and goes in stored blocks. */
function gzip(bytes: Buffer): Buffer {
  if (bytes.byteLength > 1024 * 1024) return store(bytes)
  const packed = gzipSync(bytes, { level: 6 })
  packed[9] = 255 // operating system: unknown
  return packed
}

/** A gzip member of stored deflate blocks (RFC 1951, 3.2.4). */
function store(bytes: Buffer): Buffer {
  const maxBlock = 0xffff
  const parts: Buffer[] = [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])]
  for (let offset = 0; offset < bytes.byteLength; offset += maxBlock) {
    const block = bytes.subarray(offset, offset + maxBlock)
    const head = Buffer.alloc(5)
    head.writeUInt8(offset + maxBlock >= bytes.byteLength ? 1 : 0, 0)
    head.writeUInt16LE(block.byteLength, 1)
    head.writeUInt16LE(~block.byteLength & 0xffff, 3)
    parts.push(head, block)
  }
  const tail = Buffer.alloc(8)
  tail.writeUInt32LE(crc32(bytes), 0)
  tail.writeUInt32LE(bytes.byteLength, 4)
  return Buffer.concat([...parts, tail])
}
