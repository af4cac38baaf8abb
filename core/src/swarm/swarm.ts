/**
 * A private swarm as one of its machines is in it: proves membership to peers and has it proved, and says of peers that are
 * connected whether what they have shown still counts. What the swarm is may change at any time (another key beside the old
 * one, a certificate that ends, a machine that is revoked): it is asked for anew each time, never kept here.
 */
import { LRUCache } from 'lru-cache'
import { createHash } from 'node:crypto'
import { CatalogError } from '../errors.ts'
import type { Certificate } from '../certificates/certificate.ts'
import { judgeCertificate, verifyCertificate } from '../certificates/verify-certificate.ts'
import type { LanSeal, Meeting, Membership, PeerId } from '../host/host.ts'
import type { KeyId } from '../signing/key-id.ts'
import type { Clock } from '../timing/clock.ts'
import { createFrameSource } from './frame-source.ts'
import { decodeHello } from './hello.ts'
import { joinAsListener, type FindInvite } from './joining.ts'
import { createLanSeal } from './lan-seal.ts'
import {
  MAX_KEYS,
  MAX_MESSAGE_BYTES,
  proveAsDialer,
  proveAsListener,
  type Knowledge,
  type Shown,
} from './membership.ts'
import type { SwarmKey } from './swarm-key.ts'

/** What it is now. */
export interface SwarmState {
  /** As certificates call it. */
  readonly name: string
  /** The newest first. */
  readonly keys: readonly KeyInUse[]
  /** Whose certificate every machine must have. */
  readonly root?: KeyId | undefined
  /** This machine's. */
  readonly certificate?: Uint8Array | undefined
  /** Peer ids that the root has taken back. */
  readonly revoked?: ReadonlySet<string> | undefined
}

export interface KeyInUse {
  readonly key: SwarmKey
  /** Unix time; it counts for nothing from then on. Undefined: it counts until it is taken away. */
  readonly untilMs?: number | undefined
}

export interface Swarm extends Membership {
  /** Whether what a peer has shown when it came still counts. */
  readonly isMember: (this: void, peer: PeerId) => boolean
  /** Whether it is one by a certificate of the swarm's root, and not because it knows a key. */
  readonly isCertified: (this: void, peer: PeerId) => boolean
}

/** More than any host has connections. */
const MAX_MEMBERS = 20_000

/** What a node needs to be in one. */
export interface SwarmDependencies {
  /** Asked at every connection, and every few seconds. */
  readonly state: () => SwarmState
  /** Invites that this machine has given out; none unless given. */
  readonly findInvite?: FindInvite
}

export function createSwarm(deps: SwarmDependencies & { readonly clock: Clock }): Swarm {
  return new PrivateSwarm(deps)
}

class PrivateSwarm implements Swarm {
  readonly #clock: Clock
  readonly #state: () => SwarmState
  readonly #findInvite: FindInvite
  readonly #members = new LRUCache<PeerId, { key: SwarmKey; certificate?: Certificate }>({
    max: MAX_MEMBERS,
  })
  readonly #seals = new LRUCache<string, LanSeal>({ max: 2 * MAX_KEYS })

  constructor(deps: Parameters<typeof createSwarm>[0]) {
    this.#clock = deps.clock
    this.#state = deps.state
    this.#findInvite = deps.findInvite ?? (() => undefined)
  }

  prove: Membership['prove'] = async (stream, meeting, { signal }) => {
    signal.throwIfAborted()
    const abort = (): void => stream.abort(toError(signal.reason))
    signal.addEventListener('abort', abort, { once: true })
    const frames = createFrameSource(stream.source, MAX_MESSAGE_BYTES)
    const talk = { stream, frames, meeting }
    try {
      if (meeting.role === 'dialer') {
        await proveAsDialer(talk, this.#knowledge(), (shown) => this.#accept(meeting, shown))
      } else {
        const hello = decodeHello(await frames.next())
        if (hello.invite !== undefined) {
          await joinAsListener(talk, hello, this.#findInvite)
          return false
        }
        this.#accept(meeting, await proveAsListener(talk, hello, this.#knowledge()))
      }
    } catch (error) {
      stream.abort(toError(error))
      throw error
    } finally {
      signal.removeEventListener('abort', abort)
    }
    // What was written leaves; nothing more is read.
    stream.end().catch(() => undefined)
    return true
  }

  isMember = (peer: PeerId): boolean => {
    const member = this.#members.get(peer)
    if (member === undefined) return false
    const { key, certificate } = member
    if (!this.#keys().some((each) => isSame(each, key))) return false
    const { root, name, revoked } = this.#state()
    if (root === undefined) return true
    if (certificate === undefined) return false
    const wanted = { kind: 'machine', peer, swarm: name } as const
    const context = { root, revoked, nowMs: this.#clock.epochMs() }
    return judgeCertificate(certificate, wanted, context).verdict === 'valid'
  }

  isCertified = (peer: PeerId): boolean => this.#state().root !== undefined && this.isMember(peer)

  lanSeals = (): readonly LanSeal[] =>
    this.#keys().map((key) => {
      const name = Buffer.from(key).toString('hex')
      const seal = this.#seals.get(name) ?? createLanSeal(key)
      this.#seals.set(name, seal)
      return seal
    })

  #keys(): SwarmKey[] {
    const { keys, root } = this.#state()
    const nowMs = this.#clock.epochMs()
    const current = keys.filter(({ untilMs = Infinity }) => nowMs < untilMs)
    const known = keys.length === 0 && root !== undefined ? [keyOfRoot(root)] : []
    return [...current.map(({ key }) => key), ...known].slice(0, MAX_KEYS)
  }

  #knowledge(): Knowledge {
    return { keys: this.#keys(), credential: this.#state().certificate ?? new Uint8Array() }
  }

  /** @throws CatalogError PEER_REFUSED for who has the key but no certificate that counts */
  #accept({ peer }: Meeting, { key, credential }: Shown): void {
    const { root, name, revoked } = this.#state()
    if (root === undefined) {
      this.#members.set(peer, { key })
      return
    }
    const wanted = { kind: 'machine', peer, swarm: name } as const
    const context = { root, revoked, nowMs: this.#clock.epochMs() }
    const found = verifyCertificate(credential, wanted, context)
    if (found.verdict === 'invalid') {
      const problem = credential.byteLength === 0 ? 'it has none' : `its certificate ${found.why}`
      throw new CatalogError('PEER_REFUSED', `the peer is not certified for our swarm: ${problem}`)
    }
    this.#members.set(peer, { key, certificate: found.certificate })
  }
}

/**
 * What tells swarms apart, and shows no secret: by the root and the name that certificates are for, and by each key, the newest
 * first, those that have ended too. Two states with one of these in common are of one swarm; nobody makes up such a one
 * without a key of the other, or its root.
 */
export function swarmNamesOf({
  name,
  keys,
  root,
}: Pick<SwarmState, 'name' | 'keys' | 'root'>): string[] {
  const ofKeys = keys.map(({ key }) => createLanSeal(key).tag)
  if (root === undefined) return ofKeys
  const hash = createHash('sha256').update('catalog-p2p swarm name of root 1\0').update(root)
  return [hash.update(`\0${name}`).digest('hex').slice(0, 16), ...ofKeys]
}

/** A swarm without a key: what outsiders lack is the certificate; who does not know the root learns nothing. */
function keyOfRoot(root: KeyId): SwarmKey {
  return createHash('sha256').update('catalog-p2p swarm of root 1\0').update(root).digest()
}

function isSame(one: SwarmKey, other: SwarmKey): boolean {
  return Buffer.from(one).equals(other)
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
