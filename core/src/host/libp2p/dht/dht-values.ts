/**
 * Values over libp2p's Kademlia DHT. Its servers keep the last valid value that was put, so only the reader's choice among
 * several answers keeps an old one from taking a newer one's place; and they drop a value after two days, so it has to be
 * put again. Slow, background work: a few walks at once, each with a deadline.
 */
import type { KadDHT } from '@libp2p/kad-dht'
import { CatalogError } from '../../../errors.ts'
import type { Clock } from '../../../timing/clock.ts'
import { raceSignal } from '../../../timing/race-signal.ts'
import { createSemaphore } from '../../../timing/semaphore.ts'
import { timeoutSignal } from '../../../timing/timeout-signal.ts'
import { ENOUGH_ANSWERS, type FoundValue, type ValueKind, type ValueRouting } from '../../host.ts'
import { ValueKinds, type HeldValue } from '../../value-kinds.ts'

const MAX_WALKS = 4
const PUT_TIMEOUT_MS = 60_000
const GET_TIMEOUT_MS = 30_000
/** Answers that are compared; a walk that brings more has brought enough. */
const MAX_ANSWERS = 32

export interface DhtValuesDeps {
  readonly clock: Clock
  /** @throws CatalogError NODE_STOPPED while the host is not running */
  readonly dht: () => KadDHT
}

export class DhtValues implements ValueRouting {
  readonly #deps: DhtValuesDeps
  readonly #kinds = new ValueKinds()
  readonly #walks = createSemaphore(MAX_WALKS)

  constructor(deps: DhtValuesDeps) {
    this.#deps = deps
  }

  acceptValues(kind: ValueKind): void {
    this.#kinds.add(kind)
  }

  /** Before a DHT starts: it accepts from others what has a kind. */
  attach({ validators, selectors }: Pick<KadDHT, 'validators' | 'selectors'>): void {
    for (const { prefix } of this.#kinds.all()) {
      validators[prefix] = (key, value) => this.#kinds.check(toText(key), value)
      selectors[prefix] = (key, values) => this.#kinds.select(toText(key), values)
    }
  }

  async putValue(
    key: string,
    value: Uint8Array,
    { signal }: { signal: AbortSignal },
  ): Promise<void> {
    signal.throwIfAborted()
    this.#deps.dht()
    await this.#kinds.check(key, value)
    await this.#walks.acquire(signal)
    try {
      const bounded = AbortSignal.any([signal, timeoutSignal(this.#deps.clock, PUT_TIMEOUT_MS)])
      await raceSignal(this.#put(key, value, bounded), bounded)
    } finally {
      this.#walks.release()
    }
  }

  async *findValue(
    key: string,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<FoundValue, void, undefined> {
    signal.throwIfAborted()
    const dht = this.#deps.dht()
    const answers = this.#kinds.collect(key)
    const left = new AbortController()
    await this.#walks.acquire(signal)
    const timeout = timeoutSignal(this.#deps.clock, GET_TIMEOUT_MS)
    const bounded = AbortSignal.any([signal, left.signal, timeout])
    let count = 0
    let best: FoundValue | undefined
    try {
      for await (const answer of answersOf(dht, key, this.#deps.clock, bounded)) {
        await answers.add(answer)
        count += 1
        const found = count < ENOUGH_ANSWERS ? undefined : answers.best()
        if (found !== undefined && !isSame(best, found)) yield (best = found)
        if (count >= MAX_ANSWERS) break
      }
    } catch {
      // Out of time, or a server that could not be corrected: what was found was found.
      signal.throwIfAborted()
    } finally {
      left.abort()
      this.#walks.release()
    }
    const last = answers.best()
    if (last !== undefined) yield last
  }

  async #put(key: string, value: Uint8Array, signal: AbortSignal): Promise<void> {
    let taken = 0
    for await (const event of this.#deps.dht().put(toBytes(key), value, { signal })) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') taken += 1
    }
    signal.throwIfAborted()
    if (taken === 0) throw new CatalogError('PEER_UNREACHABLE', 'no DHT server took the value')
  }
}

/** What servers have answered, as they do. Ends, or throws, when the walk does, or by `signal`. */
async function* answersOf(
  dht: KadDHT,
  key: string,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<HeldValue> {
  const events = dht.get(toBytes(key), { signal })[Symbol.asyncIterator]()
  for (;;) {
    const next = await raceSignal(events.next(), signal)
    if (next.done === true) return
    const event = next.value
    if (event.name === 'PEER_RESPONSE' && event.record) {
      const { value, timeReceived } = event.record
      const heldMs = timeReceived && Math.max(0, clock.epochMs() - timeReceived.getTime())
      yield { value, heldMs }
    }
    // Last, and perhaps our own.
    if (event.name === 'VALUE') yield { value: event.value }
  }
}

function isSame(a: FoundValue | undefined, b: FoundValue): boolean {
  return a !== undefined && Buffer.compare(a.value, b.value) === 0
}

function toBytes(key: string): Uint8Array {
  return new TextEncoder().encode(key)
}

function toText(key: Uint8Array): string {
  return new TextDecoder().decode(key)
}
