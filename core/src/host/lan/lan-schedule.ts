/**
 * When to ask the LAN who is there. Every query is answered by every node, and every answer read by every node, so with many
 * of them it adds up. A node asks often when it starts, and while it has few peers; later ever more seldom (RFC 6762,
 * section 5.2). Who comes later asks itself. Pure.
 */
import { jittered, type Random } from '../../random.ts'

/** Before each of the first queries. */
const FIRST_PAUSES_MS = [0, 250, 750, 2_000, 5_000]
/** Then interfaces are looked up so often, and a node with few peers asks. */
const TURN_MS = 10_000
/** Turns between two queries of a node that has peers: 5 minutes. */
const MAX_TURNS = 30

export class LanSchedule {
  readonly #random: Random
  #turn = 0
  #between = 1
  #left = 1

  constructor(random: Random) {
    this.#random = random
  }

  /** Until the next turn. With jitter: the nodes of a fleet have started together. */
  nextPauseMs(): number {
    const pauseMs = FIRST_PAUSES_MS[this.#turn++]
    return pauseMs ?? jittered(TURN_MS, 0.25, this.#random)
  }

  /** At every turn: whether to ask. */
  isDue(isLonely: boolean): boolean {
    if (this.isStarting) return true
    if (isLonely) this.#between = this.#left = 1
    this.#left -= 1
    if (this.#left > 0) return false
    this.#between = Math.min(2 * this.#between, MAX_TURNS)
    this.#left = this.#between
    return true
  }

  /** Its first queries are not over. */
  get isStarting(): boolean {
    return this.#turn <= FIRST_PAUSES_MS.length
  }
}
