/** One tarball that Verdaccio wants from an uplink, and the sources that it may come from. */
import type { Expected } from './integrity.ts'

export const SOURCES = ['store', 'peer', 'daemon', 'uplink'] as const

/** `store`: the node of this process had it. */
export type SourceName = (typeof SOURCES)[number]

export interface TarballRequest {
  readonly name: string
  readonly filename: string
  /** For people: `name@version`. */
  readonly label: string
  readonly expected: Expected
}

export interface OpenTarball {
  readonly from: SourceName
  /** Bytes, when the source announced it. */
  readonly size: number | undefined
  readonly body: AsyncIterable<Uint8Array>
}

/** Delivers unverified bytes; fails on opening or while they are read. */
export interface Source {
  readonly name: string
  open(options: { signal: AbortSignal }): Promise<OpenTarball>
}

/** The last source's own error, such as its 404: neither another source nor a retry would help. */
export class FinalError extends Error {
  constructor(cause: unknown) {
    super('the last source has answered', { cause })
  }
}
