/**
 * Question: what does a request cost when the peer that is asked first has just gone silent? Two providers hold everything;
 * the one that answers quickest is stopped (SIGSTOP: its connection stays, nothing answers), and requests go on one by one.
 * Beside it, in the same round: the same kind of request while both answer.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild, type Child } from './lib/child.ts'
import { formatSpread, spreadOf, toMarkdownTable } from './lib/measure.ts'
import { OFFLINE, waitForInventories } from './lib/offline.ts'

const ARTIFACT_BYTES = 50_000
const REQUESTS = 20

interface Peer {
  readonly peer: string
  readonly artifacts: number
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
    ms: formatSpread(spreadOf(values), 1),
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
  const folder = await mkdtemp(join(tmpdir(), 'catalog-bench-'))
  const children: Child[] = []
  const stopped: number[] = []
  const start = async (name: string): Promise<{ child: Child; address: string; id: string }> => {
    const child = startChild('lib/node-child.ts')
    children.push(child)
    const node = { network: OFFLINE, store: { path: join(folder, name) } }
    const { addresses } = await child.call<{ addresses: string[] }>('start', { node })
    const { id } = await child.call<{ id: string }>('stats')
    return { child, address: addresses.find((one) => one.includes('/quic-v1')) ?? '', id }
  }
  try {
    const providers = [await start('a'), await start('b')]
    const digests: string[] = []
    for (let index = 0; index < 3 * REQUESTS; index++) {
      for (const { child } of providers) {
        const seed = round * 1000 + index
        digests[index] = await child.call<string>('putRandom', { bytes: ARTIFACT_BYTES, seed })
      }
    }
    const { child: getter } = await start('getter')
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
    await batch(0) // both are known by now
    const before = await batch(REQUESTS)
    const best = await favourite(getter, providers)
    const pid = await best.call<number>('pid')
    process.kill(pid, 'SIGSTOP')
    stopped.push(pid)
    return { before, silent: await batch(2 * REQUESTS) }
  } finally {
    for (const pid of stopped) process.kill(pid, 'SIGCONT')
    for (const child of children) await child.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The provider that most of the artifacts came from. */
async function favourite(
  getter: Child,
  providers: readonly { child: Child; id: string }[],
): Promise<Child> {
  const peers = await getter.call<(Peer & { receivedBytes: number })[]>('peers')
  const most = peers.toSorted((a, b) => b.receivedBytes - a.receivedBytes)[0]
  const found = providers.find(({ id }) => id === most?.peer)
  if (found === undefined) throw new Error('no peer has sent anything')
  return found.child
}
