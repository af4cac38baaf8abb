/**
 * Question: what do the lists of 200 peers with 100,000 artifacts each take of a node's memory, with and without the names of
 * these? Beside what the bare numbers take, and the bound (64 MiB, docs/operating.md), beyond which lists are let go.
 */
import type { ListsTaken } from './lib/lists-child.ts'
import { summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { Stage } from './lib/stage.ts'

const ARTIFACTS = 100_000
/** Of a prefix. */
const BYTES = 4
const CASES = [
  { peers: 30, names: ARTIFACTS },
  { peers: 200, names: 0 },
  { peers: 200, names: ARTIFACTS },
] as const
const MIB = 1024 * 1024

export async function run(options: { rounds: number }): Promise<unknown> {
  const rounds: ListsTaken[][] = []
  for (let round = 0; round < options.rounds; round += 1) {
    const taken: ListsTaken[] = []
    for (const { peers, names } of CASES) taken.push(await measure(peers, names))
    rounds.push(taken)
  }
  const rows = CASES.map(({ peers, names }, index) => {
    const all = rounds.flatMap((round) => round[index] ?? [])
    const each = (ARTIFACTS + names) * BYTES
    return {
      peers: String(peers),
      'each lists': names === 0 ? '100,000 artifacts' : '100,000 artifacts and their names',
      'lists kept': summarizeBy(all, ({ known }) => known, 0),
      'MiB in all': summarizeBy(all, ({ bytes }) => bytes / MIB, 1),
      'of the bare numbers': summarizeBy(all, ({ bytes, known }) => bytes / (known * each), 2),
    }
  })
  console.log(toMarkdownTable(rows))
  return rounds
}

async function measure(peers: number, names: number): Promise<ListsTaken> {
  await using stage = await Stage.open()
  const child = stage.start('lib/lists-child.ts')
  return await child.call<ListsTaken>('measure', { peers, artifacts: ARTIFACTS, names })
}
