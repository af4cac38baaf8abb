/** Which artifacts peers may hear of. What is not proven to be public is private. */

/** Private artifacts are kept for their owner: never announced, never offered to a peer. */
export type Visibility = 'public' | 'private'
