/**
 * The private swarm of a running daemon, as its file says now: another key, a certificate or the end of it count within seconds,
 * without a restart. A file that is gone, makes no sense, or is of another swarm, is no membership: then nobody is let in, as what
 * this daemon has and says is for the swarm that it was started in.
 */
import { CatalogError, parseSwarmFile, swarmNamesOf } from '@catalog-p2p/core'
import type { KeyId, Logger, SwarmFile, SwarmState } from '@catalog-p2p/core'
import type { SwarmPlace } from '../config/swarm-place.ts'
import { readSwarmFile, stateOfSwarmFile } from './swarm-text.ts'

export interface SwarmSource {
  /** As it was when the daemon started, or as it is now. */
  file(): SwarmFile
  state(): SwarmState
}

export interface SwarmSourceDependencies {
  readonly log: Logger
  /** Peer ids that this root has taken back. */
  readonly revokedBy: (root: KeyId) => readonly string[]
}

/** @throws CatalogError INVALID_OPTIONS when there is no such file, or it makes no sense */
export function openSwarm(place: SwarmPlace, deps: SwarmSourceDependencies): SwarmSource {
  return place.kind === 'secret'
    ? fromSecret(place.text(), deps)
    : new WatchedFile(place.path, deps)
}

/** @throws CatalogError INVALID_OPTIONS */
export function readSwarm(place: SwarmPlace): SwarmFile {
  if (place.kind === 'secret') return parseSwarmFile(place.text(), 'CATALOG_SWARM')
  const file = readSwarmFile(place.path)
  if (file !== undefined) return file
  throw new CatalogError('INVALID_OPTIONS', `${place.path}: there is no such file`, {
    hint: '"catalog swarm init" makes one, "catalog swarm join" gets one from a member',
  })
}

function fromSecret(text: string, deps: SwarmSourceDependencies): SwarmSource {
  const file = parseSwarmFile(text, 'CATALOG_SWARM')
  return { file: () => file, state: () => withRevoked(file, deps) }
}

class WatchedFile implements SwarmSource {
  readonly #path: string
  readonly #deps: SwarmSourceDependencies
  #file: SwarmFile
  /** Of the swarm, with those of the keys that it has had since the start. */
  readonly #names: Set<string>
  #seen: string

  constructor(path: string, deps: SwarmSourceDependencies) {
    this.#path = path
    this.#deps = deps
    this.#seen = stateOfSwarmFile(path)
    this.#file = readSwarm({ kind: 'file', path })
    this.#names = new Set(swarmNamesOf(this.#file))
  }

  file(): SwarmFile {
    const state = stateOfSwarmFile(this.#path)
    if (state !== this.#seen) {
      this.#seen = state
      this.#file = this.#readAgain()
    }
    return this.#file
  }

  state(): SwarmState {
    return withRevoked(this.file(), this.#deps)
  }

  #readAgain(): SwarmFile {
    const { log } = this.#deps
    try {
      const file = readSwarmFile(this.#path)
      const names = file === undefined ? [] : swarmNamesOf(file)
      const isSame = names.some((name) => this.#names.has(name))
      log.info(isSame ? 'swarm.changed' : 'swarm.left', { path: this.#path })
      if (file !== undefined && isSame) {
        for (const name of names) this.#names.add(name)
        return file
      }
    } catch (error) {
      log.error('swarm.unreadable', { path: this.#path, error, effect: 'nobody is let in' })
    }
    return { ...this.#file, keys: [], root: undefined, certificate: undefined }
  }
}

function withRevoked(file: SwarmFile, { revokedBy }: SwarmSourceDependencies): SwarmState {
  const { root } = file
  return root === undefined ? file : { ...file, revoked: new Set(revokedBy(root)) }
}
