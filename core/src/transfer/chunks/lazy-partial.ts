/**
 * A partial that is opened with its first chunk. Claims cost their maker nothing, and most of them end without a chunk: they
 * must not cost us a file each. Not for what an earlier run has left: whether there is anything is only known once it is open.
 */
import type { ArtifactGeometry } from '../../content/manifest.ts'
import { CatalogError } from '../../errors.ts'
import type { CommitOptions, PartialArtifact } from '../../store/store.ts'

/** @param open called once, and never when no chunk comes */
export function createLazyPartial(
  geometry: ArtifactGeometry,
  open: () => Promise<PartialArtifact>,
): PartialArtifact {
  return new LazyPartial(geometry, open)
}

class LazyPartial implements PartialArtifact {
  readonly geometry: ArtifactGeometry
  readonly #open: () => Promise<PartialArtifact>
  #opening: Promise<PartialArtifact> | undefined
  #opened: PartialArtifact | undefined

  constructor(geometry: ArtifactGeometry, open: () => Promise<PartialArtifact>) {
    this.geometry = geometry
    this.#open = open
  }

  hasChunk(index: number): boolean {
    return this.#opened?.hasChunk(index) ?? false
  }

  get present(): number {
    return this.#opened?.present ?? 0
  }

  async writeChunk(index: number, bytes: Uint8Array): Promise<void> {
    const partial = await this.#partial()
    await partial.writeChunk(index, bytes)
  }

  async readChunk(index: number): Promise<Uint8Array> {
    if (this.#opened === undefined) {
      throw new CatalogError('NOT_FOUND', `chunk ${index} is not here`)
    }
    return await this.#opened.readChunk(index)
  }

  async commit(options: CommitOptions): Promise<void> {
    const partial = await this.#partial()
    await partial.commit(options)
  }

  async suspend(): Promise<void> {
    const partial = await this.#settled()
    await partial?.suspend()
  }

  async discard(): Promise<void> {
    const partial = await this.#settled()
    await partial?.discard()
  }

  #partial(): Promise<PartialArtifact> {
    this.#opening ??= this.#open().then((partial) => (this.#opened = partial))
    return this.#opening
  }

  /** Undefined when it was never opened, or could not be. */
  async #settled(): Promise<PartialArtifact | undefined> {
    await Promise.allSettled([this.#opening])
    return this.#opened
  }
}
