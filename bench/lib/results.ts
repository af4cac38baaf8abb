/** RESULTS.md of the newest file of each benchmark in bench/results: which goals are met, and the tables as they were printed. */
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { toMarkdownTable, type Goal } from './measure.ts'

interface Run {
  /** With the flags that change what is measured: `replay --fresh`. */
  readonly name: string
  /** Undefined for one that has none. */
  readonly rounds?: number
  /** ISO 8601. */
  readonly date: string
  readonly commit: string
  readonly node: string
  readonly platform: string
  readonly cpu: string
  readonly memoryGiB: number
  readonly tables: readonly string[]
  readonly goals: readonly Goal[]
}

const HEAD = `# Results

Made by \`npm run bench -- results\` from the newest run of each benchmark; [README.md](README.md) says what each one asks, how it
is run and how its figures are read. Figures are medians with their range, ratios are taken round by round.
`

/** @param bench the folder `bench` */
export async function writeResults(bench: URL): Promise<void> {
  const runs = await newestRuns(new URL('results/', bench))
  if (runs.length === 0) {
    console.error('bench/results holds no result: run a benchmark first')
    process.exitCode = 1
    return
  }
  const earlier = await readFile(new URL('earlier-results.md', bench), 'utf8')
  const parts = [HEAD, goalsOf(runs), ...runs.map(sectionOf), earlier]
  await writeFile(
    new URL('RESULTS.md', bench),
    `${parts.map((part) => part.trim()).join('\n\n')}\n`,
  )
  console.log(`bench/RESULTS.md: ${runs.map(({ name }) => name).join(', ')}`)
}

async function newestRuns(folder: URL): Promise<Run[]> {
  const names = existsSync(folder) ? await readdir(folder) : []
  const newest = new Map<string, Run>()
  // By the day that their names begin with.
  for (const file of names.filter((each) => each.endsWith('.json')).sort()) {
    const run = JSON.parse(await readFile(new URL(file, folder), 'utf8')) as Partial<Run>
    // Those of before there were tables in them say nothing here.
    if (isWhole(run)) newest.set(run.name, run)
  }
  return [...newest.values()].sort((a, b) => a.name.localeCompare(b.name))
}

function isWhole(run: Partial<Run>): run is Run {
  return run.name !== undefined && run.tables !== undefined && run.goals !== undefined
}

function goalsOf(runs: readonly Run[]): string {
  const rows = runs.flatMap(({ name, goals }) =>
    goals.map(({ what, measured, goal, isMet, limit = '' }) => ({
      ...{ what, goal, measured, result: isMet ? 'met' : '**not met**', by: `\`${name}\`` },
      'the limit': limit,
    })),
  )
  return rows.length === 0 ? '' : `## Goals\n\n${toMarkdownTable(rows)}`
}

function sectionOf(run: Run): string {
  const { name, rounds, date, commit, node, platform, cpu, memoryGiB, tables } = run
  const machine = `${cpu}, ${memoryGiB} GiB, ${platform}, Node ${node}`
  const how = rounds === undefined ? '' : `; ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`
  const when = `${date.slice(0, 10)}, commit ${commit}${how}; ${machine}.`
  return [`## ${name}`, when, ...tables].join('\n\n')
}
