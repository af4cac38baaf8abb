/**
 * The artifacts of a real project: names, versions and sizes from a web application's lockfile (data/web-app.json), with random
 * bytes as contents, so that nothing is downloaded; or the real tarballs from a folder laid out as a registry (`--mirror`).
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { packTarball } from '../../test/support/tarball.ts'
import type { Child } from './child.ts'

export interface CorpusFile {
  readonly name: string
  readonly version: string
  /** URL path, and path below the corpus folder's `tarballs`. */
  readonly path: string
  readonly bytes: number
  /** Empty: anything will do. */
  readonly integrity: string
  /** Dependencies of the package, where a benchmark needs them. */
  readonly dependencies?: Readonly<Record<string, string>>
}

export interface Corpus {
  readonly folder: string
  readonly files: readonly CorpusFile[]
  readonly bytes: number
}

const LIST = new URL('../data/web-app.json', import.meta.url)
type ListEntry = readonly [name: string, version: string, bytes: number]

/** Files of a package on average, packed, and how many `loadInstallable` makes of one at most. */
const FILE_BYTES = 8_000
const MAX_FILES = 40

/** The corpus of `mirror`, or else one with random contents in `folder`; beside it one for the warm-up. */
export async function loadCorpora(
  folder: string,
  mirror: string | undefined,
): Promise<{ corpus: Corpus; warmUp: Corpus }> {
  const list = JSON.parse(await readFile(LIST, 'utf8')) as readonly ListEntry[]
  const corpus =
    mirror === undefined
      ? await makeCorpus(join(folder, 'corpus'), list)
      : await readMirror(mirror, list)
  // Other artifacts of the same sizes: every third of the list, under another name.
  const warmUpList = list
    .filter((_, index) => index % 3 === 0)
    .map(([, , bytes], index): ListEntry => [`warm-up-${index}`, '1.0.0', bytes])
  return { corpus, warmUp: await makeCorpus(join(folder, 'warm-up'), warmUpList) }
}

/** The first `count` files of the list with sizes between these, with random contents. */
export async function loadCorpusOf(
  folder: string,
  count: number,
  [least, most]: readonly [number, number] = [0, Infinity],
): Promise<Corpus> {
  const list = JSON.parse(await readFile(LIST, 'utf8')) as readonly ListEntry[]
  const chosen = list.filter(([, , bytes]) => bytes >= least && bytes <= most)
  return await makeCorpus(join(folder, 'corpus'), chosen.slice(0, count))
}

/** All files of the list as packages that can be read: about as large, with a package.json. */
export async function loadPackages(folder: string): Promise<Corpus> {
  const list = JSON.parse(await readFile(LIST, 'utf8')) as readonly ListEntry[]
  return await makeCorpus(join(folder, 'packages'), list, ([name, version, size]) =>
    packTarball([
      { path: 'package.json', content: JSON.stringify({ name, version }) },
      { path: 'data.bin', content: randomBytes(size) },
    ]),
  )
}

/** All of the list, or each so-manieth, as packages of files such as people have, no more than 40 each; contents are random. */
export async function loadInstallable(folder: string, step = 1): Promise<Corpus> {
  const list = JSON.parse(await readFile(LIST, 'utf8')) as readonly ListEntry[]
  const chosen = list.filter((_, index) => index % step === step - 1)
  return await makeCorpus(join(folder, 'packages'), chosen, ([name, version, size]) => {
    const count = Math.min(MAX_FILES, Math.ceil(size / FILE_BYTES))
    const bytes = Math.max(1, Math.ceil(size / count))
    const files = Array.from({ length: count }, (_, index) => ({
      path: `lib/file-${index}.js`,
      content: randomBytes(bytes),
    }))
    const manifest = { name, version, license: 'MIT' }
    return packTarball([{ path: 'package.json', content: JSON.stringify(manifest) }, ...files])
  })
}

async function readMirror(folder: string, list: readonly ListEntry[]): Promise<Corpus> {
  const files: CorpusFile[] = []
  for (const [name, version] of list) {
    const path = tarballPath(name, version)
    files.push(describe(name, version, await readFile(join(folder, 'tarballs', path))))
  }
  return corpusOf(folder, files)
}

async function makeCorpus(
  folder: string,
  list: readonly ListEntry[],
  contentOf: (entry: ListEntry) => Buffer = ([, , size]) => gzipLike(size),
): Promise<Corpus> {
  const files: CorpusFile[] = []
  for (const entry of list) {
    const [name, version] = entry
    const data = contentOf(entry)
    const file = join(folder, 'tarballs', tarballPath(name, version))
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, data)
    files.push(describe(name, version, data))
  }
  return corpusOf(folder, files)
}

function tarballPath(name: string, version: string): string {
  return `${name}/-/${name.split('/').pop() ?? name}-${version}.tgz`
}

function describe(name: string, version: string, data: Buffer): CorpusFile {
  const integrity = `sha512-${createHash('sha512').update(data).digest('base64')}`
  return { name, version, path: tarballPath(name, version), bytes: data.byteLength, integrity }
}

function corpusOf(folder: string, files: readonly CorpusFile[]): Corpus {
  return { folder, files, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) }
}

/** Puts the files of a corpus into a node's store. */
export async function putAll(node: Child, { folder, files }: Corpus): Promise<void> {
  for (const { path } of files) {
    await node.call('put', await readFile(join(folder, 'tarballs', path)))
  }
}

// Begins like a .tgz, so that compression is decided on as for one.
function gzipLike(size: number): Buffer {
  const data = randomBytes(size)
  data.set([0x1f, 0x8b, 0x08], 0)
  return data
}
