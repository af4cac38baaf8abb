/** How one download goes, in numbers for people who ask why it was slow. Written as it goes; decides nothing. */
import type { DownloadCourse } from '../api.ts'
import type { PeerId } from '../host/host.ts'
import type { Clock } from '../timing/clock.ts'

/** More gave a part of a large artifact than anybody wants to read. */
const MAX_GIVERS = 8

export class Course implements DownloadCourse {
  asked = 0
  late = 0
  failed = 0
  originAfterMs: number | undefined
  readonly givers: PeerId[] = []
  readonly #clock: Clock
  readonly #startedMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedMs = clock.now()
  }

  originAsked(): void {
    this.originAfterMs ??= this.#clock.now() - this.#startedMs
  }

  gave(peer: PeerId): void {
    if (this.givers.length < MAX_GIVERS && !this.givers.includes(peer)) this.givers.push(peer)
  }
}
