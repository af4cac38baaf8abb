/**
 * One stream on which a peer tells its inventory, and what becomes of it when the list is too much: what the peer tells is read
 * and forgotten, and some minutes later the stream is ended, so that the peer tells its list anew on the next one. It judges
 * nothing itself.
 */
import type { CancelTimer, Clock } from '../../timing/clock.ts'
import { CatalogError } from '../../errors.ts'
import type { ByteStream } from '../../host/host.ts'
import { InventoryReceiver } from './inventory-receiver.ts'

/** By then there may be room. */
const RETELL_MS = 5 * 60_000

export class InventorySession {
  readonly #clock: Clock
  readonly #stream: ByteStream
  #receiver: InventoryReceiver | undefined = new InventoryReceiver()
  #cancelEnd: CancelTimer | undefined
  #isOver = false

  constructor(clock: Clock, stream: ByteStream) {
    this.#clock = clock
    this.#stream = stream
  }

  /** Undefined when its list was too much. */
  get receiver(): InventoryReceiver | undefined {
    return this.#receiver
  }

  /** Forgets the list, and asks for it again after a while. */
  shed(): void {
    this.#receiver = undefined
    if (this.#isOver) return
    const { peer } = this.#stream
    this.#cancelEnd ??= this.#clock.after(RETELL_MS, () => {
      this.#stream.abort(new CatalogError('PEER_BUSY', 'no room for its inventory', { peer }))
    })
  }

  /** The stream has ended, one way or the other. */
  over(): void {
    this.#isOver = true
    this.#cancelEnd?.()
  }
}
