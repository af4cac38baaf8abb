/**
 * Reads of a package's tarball, as it passes, what its metadata can be compared with. Bounded: keeps package.json and no other
 * file; unpacks off the main thread's time, a piece at a time. Writes nothing to disk and judges nothing.
 */
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { createGunzip, type Gunzip } from 'node:zlib'
import { Parser, type ReadEntry } from 'tar'
import type { TarballManifest } from './compare-manifest.ts'

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024
const MAX_UNPACKED_BYTES = 4 * 1024 * 1024 * 1024

/** Of a tarball at hand. @throws Error when it is no tarball, or has no package.json */
export async function readTarballManifest(tarball: Uint8Array): Promise<TarballManifest> {
  const reader = new TarballManifestReader()
  try {
    await reader.write(tarball)
    return await reader.end()
  } finally {
    reader.close()
  }
}

export class TarballManifestReader {
  readonly #gunzip: Gunzip = createGunzip()
  readonly #parser: Parser
  readonly #done: Promise<void>
  #packageJson: string | undefined
  #hasGypFile = false
  #hasShrinkwrap = false
  #unpacked = 0

  constructor() {
    // Strict: what npm's own reader would stumble over is not compared with anything.
    this.#parser = new Parser({ strict: true, onReadEntry: (entry) => this.#take(entry) })
    const parsed = new Promise<void>((resolve, reject) => {
      this.#parser.on('end', resolve)
      this.#parser.on('error', reject)
    })
    this.#parser.on('error', (error: Error) => this.#gunzip.destroy(error))
    this.#gunzip.on('data', (bytes: Buffer) => this.#unpack(bytes))
    this.#gunzip.on('end', () => this.#parser.end())
    this.#done = Promise.all([parsed, finished(this.#gunzip, { writable: false })]).then(() => {})
    this.#done.catch(() => undefined) // `end` tells
  }

  /** Resolves when more can be taken; a tarball that cannot be read fails at `end`. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#gunzip.destroyed || this.#gunzip.write(bytes)) return
    await Promise.race([once(this.#gunzip, 'drain'), this.#done]).catch(() => undefined)
  }

  /** @throws Error when it is no tarball, or has no package.json */
  async end(): Promise<TarballManifest> {
    if (!this.#gunzip.destroyed) this.#gunzip.end()
    await this.#done
    if (this.#packageJson === undefined) throw new Error('it has no package.json')
    return {
      packageJson: this.#packageJson,
      hasGypFile: this.#hasGypFile,
      hasShrinkwrap: this.#hasShrinkwrap,
    }
  }

  close(): void {
    this.#gunzip.destroy()
  }

  #unpack(bytes: Buffer): void {
    this.#unpacked += bytes.byteLength
    if (this.#unpacked > MAX_UNPACKED_BYTES) this.#gunzip.destroy(new Error('it is too large'))
    else this.#parser.write(bytes)
  }

  #take(entry: ReadEntry): void {
    // Clients leave out the first folder, whatever its name.
    const [, ...path] = entry.path.split('/').filter((part) => part !== '' && part !== '.')
    const file = path.join('/')
    if (file === 'binding.gyp') this.#hasGypFile = true
    if (file === 'npm-shrinkwrap.json') this.#hasShrinkwrap = true
    if (file !== 'package.json' || entry.size > MAX_MANIFEST_BYTES) return void entry.resume()
    const parts: Buffer[] = []
    entry.on('data', (bytes: Buffer) => parts.push(bytes))
    entry.on('end', () => {
      // A byte order mark is no part of it, for npm neither.
      this.#packageJson = Buffer.concat(parts)
        .toString()
        .replace(/^\uFEFF/, '')
    })
  }
}
