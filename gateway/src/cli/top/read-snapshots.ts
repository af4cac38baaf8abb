/**
 * The daemon's live events (dashboard/live-events.ts) as whole snapshots: one for each message, from the first that has all
 * sections. The daemon is this very program, so what it says is taken as typed. Bounded: a message that does not end is refused.
 */
import { z } from 'zod'
import type { Snapshot } from '../../dashboard/snapshot.ts'

const MAX_CHARACTERS = 8 * 1024 * 1024
const SECTIONS: readonly (keyof Snapshot)[] = [
  ...(['totals', 'problems', 'install', 'traffic', 'swarm', 'store', 'guard'] as const),
]

/** @throws Error when it is no such stream */
export async function* readSnapshots(chunks: AsyncIterable<string>): AsyncGenerator<Snapshot> {
  const known: Record<string, unknown> = {}
  let rest = ''
  for await (const chunk of chunks) {
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop() ?? ''
    if (rest.length > MAX_CHARACTERS) throw new Error('an event is too long')
    let isNews = false
    for (const block of blocks) {
      const [, name, text] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? []
      if (name === undefined || text === undefined) continue
      known[name] = JSON.parse(text)
      isNews = true
    }
    if (isNews && isSnapshot(known)) yield { ...known }
  }
}

const anyKey = z.record(z.string(), z.unknown())

function isSnapshot(known: unknown): known is Snapshot {
  const found = anyKey.safeParse(known)
  return found.success && SECTIONS.every((name) => name in found.data)
}
