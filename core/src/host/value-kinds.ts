/**
 * The kinds of values that a host accepts in its routing: what a value of a kind must look like, and which of several is the
 * best. Both hosts use it. A value that has not passed the check of its kind is neither stored nor returned; what a value
 * means is the business of its kind.
 */
import type { FoundValue, ValueKind } from './host.ts'

/** Room for a signed record with post-quantum signatures; a DHT server stores thousands of them. */
export const MAX_VALUE_BYTES = 8 * 1024
const MAX_KEY_LENGTH = 256
/** kad-dht takes the first part of a key for its kind. */
const KEY = /^\/([a-z][a-z0-9-]*)\/[\w.~-]+$/

/** What one server, or this machine itself, has answered. */
export interface HeldValue {
  readonly value: Uint8Array
  /** Since when it has it, in milliseconds before now; undefined: it does not say. */
  readonly heldMs?: number | undefined
}

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

  /** The best of those that are valid, if there is any, and who has it. What several have is checked once. */
  async best(key: string, answers: Iterable<HeldValue>): Promise<FoundValue | undefined> {
    this.#kindOf(key)
    const valid = new Map<string, { readonly value: Uint8Array; readonly heldMs: number[] }>()
    const invalid = new Set<string>()
    for (const { value, heldMs } of answers) {
      const id = Buffer.from(value).toString('latin1')
      if (invalid.has(id)) continue
      try {
        if (!valid.has(id)) {
          await this.check(key, value)
          valid.set(id, { value, heldMs: [] })
        }
        if (heldMs !== undefined) valid.get(id)?.heldMs.push(heldMs)
      } catch {
        invalid.add(id) // peers may send anything; the next one is looked at
      }
    }
    const found = [...valid.values()]
    if (found.length === 0) return undefined
    return found[
      this.select(
        key,
        found.map(({ value }) => value),
      )
    ]
  }

  #kindOf(key: string): ValueKind {
    const [, prefix = ''] = (key.length <= MAX_KEY_LENGTH && KEY.exec(key)) || []
    const kind = this.#kinds.get(prefix)
    if (kind === undefined) throw new Error(`no kind of values has the key ${key.slice(0, 100)}`)
    return kind
  }
}
