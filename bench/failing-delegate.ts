/**
 * Question: what does a request cost when the machine that fetches it for all dies (SIGKILL) or stalls (SIGSTOP) meanwhile? Two real
 * daemons and a registry 20 ms away; the request is one of which the other machine is the delegate, and comes after some that it
 * has given. Beside the same request while the delegate goes on, and without a fleet.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nameKeyOf } from '../core/src/content/name-key.ts'
import { responsibleFor } from '../core/src/fleet/rendezvous.ts'
import { writeKeyring } from '../test/support/signed-swarm.ts'
import { loadCorpusOf, type CorpusFile } from './lib/corpus.ts'
import { noteGoal, spreadOf, summarize, toMarkdownTable } from './lib/measure.ts'
import { startReplayClient } from './lib/replay-client.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

const PACKAGES = 60
const UPLINK = { delayMs: 20, bytesPerSecond: 25_000_000 }
/** After the request: the registry has not answered yet. */
const STRUCK_AFTER_MS = 10
const WAYS = ['there is none', 'goes on', 'SIGSTOP', 'SIGKILL'] as const
type Way = (typeof WAYS)[number]

interface Pair {
  readonly asker: StartedNode
  readonly delegate: StartedNode
  /** What the delegate is to fetch. */
  readonly files: readonly CorpusFile[]
}

export async function run(options: { rounds: number }): Promise<unknown> {
  await using stage = await Stage.open()
  const corpus = await loadCorpusOf(stage.folder, PACKAGES)
  const upstream = await stage.startUpstream([corpus], { distance: UPLINK, isSigned: true })
  const registry = `http://127.0.0.1:${upstream.port}/`
  const keyringPath = join(stage.folder, 'keys.json')
  if (upstream.key !== undefined) await writeKeyring(keyringPath, registry, upstream.key)
  const gateway = { port: 0, upstream: registry, keyringPath }
  const all = new Map<Way, number[]>(WAYS.map((way) => [way, []]))
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [way, measured] of all) {
      const start = (name: string): Promise<StartedNode> =>
        stage.startNode(`${way}-${round}-${name}`, { gateway, fleet: way !== 'there is none' })
      const [asker, delegate] = await Promise.all([start('asker'), start('delegate')])
      await asker.child.call('connect', [delegate.address])
      const files = corpus.files.filter(({ name, version }) => {
        const members = [asker, delegate].map(({ address }) => address.split('/p2p/')[1] ?? '')
        return responsibleFor(nameKeyOf({ registry, name, version }), members) === members[1]
      })
      measured.push(await lastRequest(stage, { asker, delegate, files }, way))
      await Promise.all([asker.child.close(), delegate.child.close()])
    }
  }
  report(all)
  return [...all].map(([way, ms]) => ({ way, ms }))
}

/** Milliseconds. */
async function lastRequest(
  stage: Stage,
  { asker, delegate, files }: Pair,
  way: Way,
): Promise<number> {
  const client = startReplayClient(stage)
  const pid = await delegate.child.call<number>('pid')
  await client.ask(asker, files.slice(0, -1))
  const asking = client.ask(asker, files.slice(-1))
  if (way === 'SIGSTOP' || way === 'SIGKILL') {
    await sleep(STRUCK_AFTER_MS)
    process.kill(pid, way)
  }
  const { seconds } = await asking
  if (way === 'SIGSTOP') process.kill(pid, 'SIGCONT')
  return seconds * 1000
}

function report(all: ReadonlyMap<Way, readonly number[]>): void {
  const usual = spreadOf(all.get('goes on') ?? []).median
  const lost = (way: Way): number[] => (all.get(way) ?? []).map((ms) => ms - usual)
  const rows = WAYS.map((way) => ({
    'the delegate': way,
    'one request, ms': summarize(all.get(way) ?? [], 0),
    'more than while it goes on, ms': way === 'goes on' ? '' : summarize(lost(way), 0),
  }))
  console.log(toMarkdownTable(rows))
  for (const way of ['SIGSTOP', 'SIGKILL'] as const) {
    noteGoal(`a delegate gets ${way}: what the request loses, ms`, lost(way), { atMost: 250 })
  }
}
