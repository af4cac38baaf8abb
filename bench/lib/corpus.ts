/**
 * The artifacts of a real project: names, versions and sizes of a web application's lockfile (data/web-app.json), with
 * random bytes in place of the contents, so that nothing needs to be downloaded; or the real tarballs from a folder laid
 * out as a registry is (`--mirror`).
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Child } from './child.ts'

export interface CorpusFile {
  readonly name: string
  readonly version: string
  /** URL path, and path below the corpus folder's `tarballs`. */
  readonly path: string
  readonly bytes: number
  readonly integrity: string
  /** Of the package, where a question needs them. */
  readonly dependencies?: Readonly<Record<string, string>>
}

export interface Corpus {
  readonly folder: string
  readonly files: readonly CorpusFile[]
  readonly bytes: number
}

const LIST = new URL('../data/web-app.json', import.meta.url)

/** Reads the mirror, or makes the stand-in in `scratch`. */
export async function loadCorpus(scratch: string, mirror: string | undefined): Promise<Corpus> {
  const list = JSON.parse(await readFile(LIST, 'utf8')) as [string, string, number][]
  const folder = mirror ?? scratch
  const files: CorpusFile[] = []
  let total = 0
  for (const [name, version, size] of list) {
    const path = `${name}/-/${name.split('/').pop() ?? name}-${version}.tgz`
    const file = join(folder, 'tarballs', ...path.split('/'))
    const data = mirror === undefined ? gzipLike(size) : await readFile(file)
    if (mirror === undefined) {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, data)
    }
    const integrity = `sha512-${createHash('sha512').update(data).digest('base64')}`
    files.push({ name, version, path, bytes: data.byteLength, integrity })
    total += data.byteLength
  }
  return { folder, files, bytes: total }
}

/** Other artifacts of the same sizes, to warm processes up with: each third of the list, under another name. */
export async function makeWarmUp(scratch: string): Promise<Corpus> {
  const list = JSON.parse(await readFile(LIST, 'utf8')) as [string, string, number][]
  const files: CorpusFile[] = []
  let total = 0
  for (const [index, [, , size]] of list.entries()) {
    if (index % 3 > 0) continue
    const path = `warm-up-${index}/-/warm-up-${index}-1.0.0.tgz`
    const data = gzipLike(size)
    await mkdir(dirname(join(scratch, 'tarballs', path)), { recursive: true })
    await writeFile(join(scratch, 'tarballs', path), data)
    const integrity = `sha512-${createHash('sha512').update(data).digest('base64')}`
    files.push({ name: `warm-up-${index}`, version: '1.0.0', path, bytes: size, integrity })
    total += size
  }
  return { folder: scratch, files, bytes: total }
}

/** Into a node's store. */
export async function putAll(node: Child, { folder, files }: Corpus): Promise<void> {
  for (const { path } of files) {
    await node.call('put', await readFile(join(folder, 'tarballs', path)))
  }
}

// What a .tgz looks like to whoever decides whether to compress it.
function gzipLike(size: number): Buffer {
  const data = randomBytes(size)
  data.set([0x1f, 0x8b, 0x08], 0)
  return data
}
