/**
 * One tarball that Verdaccio wants from an uplink, and the sources that it may come from. Types only.
 */
import type { Expected } from './integrity.ts'

export const SOURCES = ['store', 'peer', 'daemon', 'uplink'] as const

/** `store`: this machine's node had it. */
export type SourceName = (typeof SOURCES)[number]

export interface TarballRequest {
  readonly name: string
  readonly filename: string
  /** `name@version`, for people. */
  readonly label: string
  readonly expected: Expected
}

export interface OpenTarball {
  readonly from: SourceName
  /** Bytes, when the source has said. */
  readonly size: number | undefined
  readonly body: AsyncIterable<Uint8Array>
}

/** Gives bytes, which nobody has to believe; rejects when it has none, or throws while they are read. */
export interface Source {
  readonly name: string
  open(options: { signal: AbortSignal }): Promise<OpenTarball>
}

/** The last source's own answer (its 404, say): asking another one, or it again, would be of no use. */
export class FinalError extends Error {
  constructor(cause: unknown) {
    super('the last source has answered', { cause })
  }
}
