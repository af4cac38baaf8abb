/**
 * The kinds of values that a host accepts in its routing: what a value of a kind must look like, and which of several is the
 * best. Both hosts use it. A value that has not passed the check of its kind is neither stored nor returned; what a value
 * means is the business of its kind.
 */
import type { ValueKind } from './host.ts'

/** Room for a signed record with post-quantum signatures; a DHT server stores thousands of them. */
export const MAX_VALUE_BYTES = 8 * 1024
const MAX_KEY_LENGTH = 256
/** kad-dht takes the first part of a key for its kind. */
const KEY = /^\/([a-z][a-z0-9-]*)\/[\w.~-]+$/

export class ValueKinds {
  readonly #kinds = new Map<string, ValueKind>()

  add(kind: ValueKind): void {
    if (!KEY.test(`/${kind.prefix}/x`)) throw new Error(`not a prefix for keys: ${kind.prefix}`)
    if (this.#kinds.has(kind.prefix)) throw new Error(`two kinds of values for /${kind.prefix}/`)
    this.#kinds.set(kind.prefix, kind)
  }

  all(): Iterable<ValueKind> {
    return this.#kinds.values()
  }

  /** @throws Error for a key of no kind; a RangeError for too large a value; what the kind throws for an invalid one */
  async check(key: string, value: Uint8Array): Promise<void> {
    const kind = this.#kindOf(key)
    if (value.byteLength > MAX_VALUE_BYTES) {
      throw new RangeError(`a value has at most ${MAX_VALUE_BYTES} bytes, not ${value.byteLength}`)
    }
    await kind.validate(key, value)
  }

  /** The index of the best of `values`, which are valid and at least one. */
  select(key: string, values: readonly Uint8Array[]): number {
    return this.#kindOf(key).select(key, values)
  }

  /** The best of those that are valid, if there is any. */
  async best(key: string, values: Iterable<Uint8Array>): Promise<Uint8Array | undefined> {
    this.#kindOf(key)
    const valid: Uint8Array[] = []
    for (const value of values) {
      try {
        await this.check(key, value)
        valid.push(value)
      } catch {
        // Peers may send anything; the next one is looked at.
        continue
      }
    }
    return valid.length === 0 ? undefined : valid[this.select(key, valid)]
  }

  #kindOf(key: string): ValueKind {
    const [, prefix = ''] = (key.length <= MAX_KEY_LENGTH && KEY.exec(key)) || []
    const kind = this.#kinds.get(prefix)
    if (kind === undefined) throw new Error(`no kind of values has the key ${key.slice(0, 100)}`)
    return kind
  }
}
