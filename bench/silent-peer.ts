/**
 * Question: what does a request cost when the preferred peer has just gone silent? Two providers hold everything; the faster one is
 * stopped (SIGSTOP: its connection stays, nothing answers) while requests go on one by one. Beside it, in the same round: the
 * same requests while both answer.
 */
import type { Child } from './lib/child.ts'
import { waitForInventories } from './lib/inventories.ts'
import { spreadOf, summarize, toMarkdownTable } from './lib/measure.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

const ARTIFACT_BYTES = 50_000
const REQUESTS = 20

interface Peer {
  readonly peer: string
  readonly artifacts: number
}

interface Provider extends StartedNode {
  readonly id: string
}

export async function run(options: { rounds: number }): Promise<unknown> {
  if (process.platform === 'win32') throw new Error('Windows has no SIGSTOP')
  const good: number[] = []
  const first: number[] = []
  const worst: number[] = []
  const after: number[] = []
  for (let round = 0; round < options.rounds; round++) {
    const { before, silent } = await measure(round)
    const usual = spreadOf(before).median
    good.push(usual)
    first.push((silent[0] ?? NaN) - usual)
    worst.push(Math.max(...silent) - usual)
    after.push(spreadOf(silent).median)
  }
  const row = (what: string, values: number[]): Record<string, string> => ({
    what,
    ms: summarize(values, 1),
  })
  console.log(
    toMarkdownTable([
      row('one request, both peers answering (median)', good),
      row('the first after the best went silent: more than that', first),
      row(`the slowest of ${REQUESTS}: more than that`, worst),
      row('one request later on (median)', after),
    ]),
  )
  return { good, first, worst, after }
}

async function measure(round: number): Promise<{ before: number[]; silent: number[] }> {
  await using stage = await Stage.open()
  const providers: Provider[] = []
  for (const name of ['a', 'b']) {
    const started = await stage.startNode(name)
    const { id } = await started.child.call<{ id: string }>('stats')
    providers.push({ ...started, id })
  }
  const digests: string[] = []
  for (let index = 0; index < 3 * REQUESTS; index++) {
    for (const { child } of providers) {
      const seed = round * 1000 + index
      digests[index] = await child.call<string>('putRandom', { bytes: ARTIFACT_BYTES, seed })
    }
  }
  const { child: getter } = await stage.startNode('getter')
  await getter.call(
    'connect',
    providers.map(({ address }) => address),
  )
  await waitForInventories(getter, 2, digests.length)
  const get = async (digest: string): Promise<number> =>
    (await getter.call<{ ms: number }>('get', digest)).ms
  const batch = async (from: number): Promise<number[]> => {
    const times: number[] = []
    for (const digest of digests.slice(from, from + REQUESTS)) times.push(await get(digest))
    return times
  }
  await batch(0) // warm-up: the getter now knows both peers' speed
  const before = await batch(REQUESTS)
  const preferred = await preferredProvider(getter, providers)
  const pid = await preferred.call<number>('pid')
  process.kill(pid, 'SIGSTOP')
  // It must run again to be closed.
  stage.defer(async () => void process.kill(pid, 'SIGCONT'))
  return { before, silent: await batch(2 * REQUESTS) }
}

/** The provider that sent the most bytes. */
async function preferredProvider(getter: Child, providers: readonly Provider[]): Promise<Child> {
  const peers = await getter.call<(Peer & { receivedBytes: number })[]>('peers')
  const most = peers.toSorted((a, b) => b.receivedBytes - a.receivedBytes)[0]
  const found = providers.find(({ id }) => id === most?.peer)
  if (found === undefined) throw new Error('no peer has sent anything')
  return found.child
}
