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

  /** What is answered under this key, as it comes. @throws Error for a key of no kind */
  collect(key: string): CollectedAnswers {
    this.#kindOf(key)
    return new CollectedAnswers({
      check: (value) => this.check(key, value),
      select: (values) => this.select(key, values),
    })
  }

  #kindOf(key: string): ValueKind {
    const [, prefix = ''] = (key.length <= MAX_KEY_LENGTH && KEY.exec(key)) || []
    const kind = this.#kinds.get(prefix)
    if (kind === undefined) throw new Error(`no kind of values has the key ${key.slice(0, 100)}`)
    return kind
  }
}

interface KindOfKey {
  check(value: Uint8Array): Promise<void>
  select(values: readonly Uint8Array[]): number
}

/** Of one key. What several have is checked once, whether it is valid or not. */
class CollectedAnswers {
  readonly #kind: KindOfKey
  readonly #valid = new Map<string, { readonly value: Uint8Array; readonly heldMs: number[] }>()
  readonly #invalid = new Set<string>()

  constructor(kind: KindOfKey) {
    this.#kind = kind
  }

  async add({ value, heldMs }: HeldValue): Promise<void> {
    const id = Buffer.from(value).toString('latin1')
    if (this.#invalid.has(id)) return
    try {
      if (!this.#valid.has(id)) {
        await this.#kind.check(value)
        this.#valid.set(id, { value, heldMs: [] })
      }
      if (heldMs !== undefined) this.#valid.get(id)?.heldMs.push(heldMs)
    } catch {
      this.#invalid.add(id) // peers may send anything; the next one is looked at
    }
  }

  /** The best of those that are valid, if there is any, and for how long who has it has had it. */
  best(): FoundValue | undefined {
    const found = [...this.#valid.values()]
    if (found.length === 0) return undefined
    const best = found[this.#kind.select(found.map(({ value }) => value))]
    return best && { value: best.value, heldMs: [...best.heldMs] }
  }
}
