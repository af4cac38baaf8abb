/**
 * Where the file-system store keeps what. Pure. The format version is part of the folder names: a new format gets new
 * names and leaves the old ones alone. One shard level of 256 folders: 100,000 artifacts are 400 files a folder, and start-up
 * reads 256 folders instead of the 65,536 that two levels would make.
 */
import { join, sep } from 'node:path'
import { DIGEST_BYTES, digestFromBytes, digestToHex, type Digest } from '../../content/digest.ts'

export interface FsLayout {
  readonly root: string
  /** Of the artifacts; another one than `root` when they may be anybody's files. */
  readonly artifactsRoot: string
  readonly database: string
  /** Shards of complete artifacts, each file named by its digest in hex. */
  readonly artifacts: string
  /** Unfinished downloads, each named by its digest in hex; with a number behind it those that are gone with the process. */
  readonly partials: string
  /** Files being written; whatever is here at start-up is rubbish. */
  readonly temporary: string
  shard(digest: Digest): string
  artifact(digest: Digest): string
  /** Without a number: the one that can be resumed. */
  partial(digest: Digest, number?: number): string
  temporaryFile(sequence: number): string
}

export const SHARDS: readonly string[] = Array.from({ length: 256 }, (_, index) =>
  index.toString(16).padStart(2, '0'),
)

export function createFsLayout(root: string, artifactsRoot = root): FsLayout {
  const artifacts = join(artifactsRoot, 'artifacts-v1')
  const partials = join(root, 'partial-v1')
  const temporary = join(root, 'temporary-v1')
  return {
    root,
    artifactsRoot,
    artifacts,
    partials,
    temporary,
    database: join(root, 'store.sqlite'),
    shard: (digest) => join(artifacts, digestToHex(digest).slice(0, 2)),
    artifact: (digest) => {
      const hex = digestToHex(digest)
      return `${artifacts}${sep}${hex.slice(0, 2)}${sep}${hex}` // as join has it, at a tenth of its cost
    },
    partial: (digest, number) =>
      join(partials, `${digestToHex(digest)}${number === undefined ? '' : `.${number}`}`),
    temporaryFile: (sequence) => join(temporary, `${sequence}.tmp`),
  }
}

/** True for an unfinished download that no later run resumes. */
export function isUnresumablePartial(name: string): boolean {
  return /^[0-9a-f]{128}\.[0-9]+$/.test(name)
}

/** The digest that a file is named after, or undefined when it is none of ours. */
export function digestOfFileName(name: string): Digest | undefined {
  if (name.length !== 2 * DIGEST_BYTES || !/^[0-9a-f]+$/.test(name)) return undefined
  return digestFromBytes(Buffer.from(name, 'hex'))
}
