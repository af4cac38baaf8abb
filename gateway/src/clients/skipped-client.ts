/** Why a client is not pointed at a gateway, and what its user can do about it, if anything. */
export class SkippedClient extends Error {
  readonly next: string | undefined

  constructor(reason: string, next?: string) {
    super(reason)
    this.next = next
  }
}
