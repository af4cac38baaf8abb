/**
 * RESULTS.md of the newest file of each benchmark in bench/results: which goals are met, and the tables as they were printed. What
 * has not been run here stays as RESULTS.md has it.
 */
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
  /** Undefined in a run from before it was measured. */
  readonly fixedWorkMs?: number
  readonly tables: readonly string[]
  readonly goals: readonly Goal[]
}

const HEAD = `# Results

Made by \`npm run bench -- results\` from the newest run of each benchmark; [README.md](README.md) says what each one asks, how it
is run and how its figures are read. Figures are medians with their range, ratios are taken round by round. "Fixed work" is what the
processor took for the same piece of work just before: this virtual machine is twice as fast on one day as on another.
`

/** What RESULTS.md says of one benchmark. */
interface Told {
  readonly name: string
  readonly goals: readonly GoalRow[]
  /** With its heading. */
  readonly section: string
}

const GOAL_COLUMNS = ['what', 'goal', 'measured', 'result', 'by', 'the limit'] as const
type GoalRow = Readonly<Record<(typeof GOAL_COLUMNS)[number], string>>

/** @param bench the folder `bench` */
export async function writeResults(bench: URL): Promise<void> {
  const runs = await newestRuns(new URL('results/', bench))
  if (runs.length === 0) {
    console.error('bench/results holds no result: run a benchmark first')
    process.exitCode = 1
    return
  }
  const file = new URL('RESULTS.md', bench)
  const told = new Map(readTold(await readFile(file, 'utf8')).map((each) => [each.name, each]))
  for (const run of runs) told.set(run.name, tell(run))
  const all = [...told.values()].sort((a, b) => a.name.localeCompare(b.name))
  const earlier = await readFile(new URL('earlier-results.md', bench), 'utf8')
  const goals = all.flatMap((each) => each.goals)
  const table = goals.length === 0 ? [] : [`## Goals\n\n${toMarkdownTable(goals)}`]
  const parts = [HEAD, ...table, ...all.map(({ section }) => section), earlier]
  await writeFile(file, `${parts.map((part) => part.trim()).join('\n\n')}\n`)
  console.log(`bench/RESULTS.md: ${runs.map(({ name }) => name).join(', ')}`)
}

/** What `writeResults` has written. */
function readTold(results: string): Told[] {
  const sections = results.split(/^(?=## )/m)
  const goals = sections.filter((each) => each.startsWith('## Goals')).flatMap(readGoals)
  return sections.flatMap((section) => {
    const name = /^## (.+)/.exec(section)?.[1]
    if (name === undefined || name === 'Goals' || name === 'Earlier results') return []
    return [{ name, section, goals: goals.filter(({ by }) => by === `\`${name}\``) }]
  })
}

function readGoals(section: string): GoalRow[] {
  const rows = section.split('\n').filter((line) => line.startsWith('| '))
  return rows.slice(2).map((row) => {
    const cells = row.split('|').map((cell) => cell.trim())
    const entries = GOAL_COLUMNS.map((column, at) => [column, cells[at + 1] ?? ''])
    return Object.fromEntries(entries) as GoalRow
  })
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

function tell(run: Run): Told {
  const { name } = run
  const goals = run.goals.map(({ what, measured, goal, isMet, limit = '' }) => ({
    ...{ what, goal, measured, result: isMet ? 'met' : '**not met**', by: `\`${name}\`` },
    'the limit': limit,
  }))
  return { name, goals, section: sectionOf(run) }
}

function sectionOf(run: Run): string {
  const { name, rounds, date, commit, node, platform, cpu, memoryGiB, tables } = run
  const speed = run.fixedWorkMs === undefined ? '' : `, fixed work ${run.fixedWorkMs.toFixed(1)} ms`
  const machine = `${cpu}, ${memoryGiB} GiB, ${platform}, Node ${node}${speed}`
  const how = rounds === undefined ? '' : `; ${rounds} ${rounds === 1 ? 'round' : 'rounds'}`
  const when = `${date.slice(0, 10)}, commit ${commit}${how}; ${machine}.`
  return [`## ${name}`, when, ...tables].join('\n\n')
}
