/**
 * A peer that says it holds what it is told to, and answers every request with a claim that would take an hour: 4 GiB in as
 * many chunks as are allowed, one true chunk of it a second.
 */
import { parseDigest } from '@catalog-p2p/core'
import {
  answering,
  dribbling,
  hostilePeer,
  type HostilePeer,
} from '../../test/support/hostile-peer.ts'
import { answerCalls } from './child.ts'

const CHUNK_BYTES = 1024 * 1024
const CLAIM_BYTES = 4096 * CHUNK_BYTES

let peer: HostilePeer | undefined

answerCalls(
  {
    async start({ integrities, victim }: { integrities: readonly string[]; victim: string }) {
      const claims = integrities.map((text) => ({
        digest: parseDigest(text),
        bytes: new Uint8Array(),
      }))
      const behave = answering(dribbling({ size: CLAIM_BYTES, chunkSize: CHUNK_BYTES }))
      peer = await hostilePeer({ claims, behave })
      await peer.host.connect(victim, { signal: AbortSignal.timeout(10_000) })
    },
  },
  async () => await peer?.[Symbol.asyncDispose](),
)
