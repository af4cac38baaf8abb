/**
 * Question: how many system calls does 1 MB cost at both ends, from one daemon's disk into the other's, over libp2p's QUIC and over a
 * carrier: one artifact of 100 MB, and many of 50 KB? Counted by strace, which slows both down: so no times, and a receiver that is
 * slower than in life finds more at each read. Needs Linux and strace; left out, with the reason, elsewhere.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Child } from './lib/child.ts'
import { forEachConcurrently } from './lib/concurrently.ts'
import { waitForInventories } from './lib/inventories.ts'
import { MB, spreadOf, toMarkdownTable } from './lib/measure.ts'
import { Stage } from './lib/stage.ts'

/** Calls by what they are for; what is in none of them is counted as others. */
const KINDS = {
  sends: ['sendmsg', 'sendmmsg', 'sendto', 'write', 'writev'],
  receives: ['recvmsg', 'recvmmsg', 'recvfrom', 'read', 'readv'],
  files: ['pread64', 'pwrite64', 'openat', 'close', 'fstat', 'statx', 'rename', 'fsync', 'unlink'],
  waits: ['epoll_wait', 'epoll_pwait', 'epoll_ctl', 'futex', 'poll', 'io_uring_enter'],
} as const
type Kind = keyof typeof KINDS | 'others'

const SIZES = [
  { what: 'one of 100 MB', count: 1, bytes: 100 * MB },
  { what: '400 of 50 KB', count: 400, bytes: 50_000 },
] as const
const CLIENTS = 32

interface Counted {
  readonly what: string
  readonly carrier: string
  readonly end: 'sender' | 'receiver'
  /** Per MB. */
  readonly calls: Readonly<Record<Kind, number>>
}

export async function run(options: { rounds: number }): Promise<unknown> {
  if (spawnSync('strace', ['-V']).status !== 0) {
    console.log('Left out: strace is not installed here.')
    return { counted: [] }
  }
  const counted: Counted[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    for (const size of SIZES) {
      for (const carrier of [false, true]) counted.push(...(await measure(size, carrier)))
    }
  }
  print(counted)
  return { counted }
}

async function measure(
  { what, count, bytes }: (typeof SIZES)[number],
  carrier: boolean,
): Promise<Counted[]> {
  await using stage = await Stage.open()
  const sender = (await stage.startNode('sender', { carrier })).child
  const receiver = await stage.startNode('receiver', { carrier })
  const digests: string[] = []
  for (let seed = 0; seed <= count; seed += 1) {
    digests.push(await sender.call<string>('putRandom', { bytes, seed }))
  }
  const { addresses } = await sender.call<{ addresses: string[] }>('stats')
  await receiver.child.call('connect', addresses.slice(0, 1))
  await waitForInventories(receiver.child, 1, digests.length)
  await receiver.child.call('get', digests.pop())
  await stage.quiesce() // the sender has written what it is to read
  const ends = [
    { end: 'sender', trace: await trace(stage, sender, 'sender') },
    { end: 'receiver', trace: await trace(stage, receiver.child, 'receiver') },
  ] as const
  await forEachConcurrently(digests, CLIENTS, (digest) => receiver.child.call('get', digest))
  const megabytes = (count * bytes) / MB
  const all: Counted[] = []
  for (const { end, trace } of ends) {
    const calls = byKind(await trace(), megabytes)
    all.push({ what, carrier: carrier ? 'carrier' : 'QUIC', end, calls })
  }
  return all
}

/** Counts from now until the returned function is called. */
async function trace(stage: Stage, node: Child, name: string): Promise<() => Promise<string>> {
  const file = join(stage.folder, `${name}.calls`)
  const pid = await node.call<number>('pid')
  const args = ['-f', '-c', '-U', 'name,calls', '-o', file, '-p', String(pid)]
  const child: ChildProcess = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  // It says that it has attached.
  if (child.stderr !== null) await once(child.stderr, 'data')
  return async () => {
    child.kill('SIGINT')
    await once(child, 'exit')
    return await readFile(file, 'utf8')
  }
}

function byKind(text: string, megabytes: number): Record<Kind, number> {
  const calls: Record<Kind, number> = { sends: 0, receives: 0, files: 0, waits: 0, others: 0 }
  for (const [, name = '', count] of text.matchAll(/^\s*(\w+)\s+(\d+)\s*$/gm)) {
    if (name === 'total') continue
    const kind = (Object.keys(KINDS) as (keyof typeof KINDS)[]).find((each) =>
      (KINDS[each] as readonly string[]).includes(name),
    )
    calls[kind ?? 'others'] += Number(count) / megabytes
  }
  return calls
}

function print(counted: readonly Counted[]): void {
  const groups = Map.groupBy(counted, ({ what, carrier, end }) => `${what}, ${carrier}, ${end}`)
  const rows = [...groups].map(([name, all]) => {
    const median = (kind: Kind): string =>
      spreadOf(all.map(({ calls }) => calls[kind])).median.toFixed(0)
    return {
      'system calls per MB': name,
      sends: median('sends'),
      receives: median('receives'),
      files: median('files'),
      'waits and wake-ups': median('waits'),
      others: median('others'),
    }
  })
  console.log(toMarkdownTable(rows))
}
