/** The numbers of a run as people read them. */
import { expect, test } from 'vitest'
import {
  reportLines,
  reportMarkdown,
  shownCommand,
  shownProblem,
  type ExecReport,
} from './exec-report.ts'

const report: ExecReport = {
  ...{ command: 'npm ci', exitCode: 0, durationMs: 12_345, gateway: 'own', upstream: null },
  sources: {
    peer: { artifacts: 40, bytes: 5_500_000 },
    origin: { artifacts: 2, bytes: 1_000 },
    store: { artifacts: 0, bytes: 0 },
  },
  metadata: { fresh: 1, fetched: 3, stale: 1 },
  registry: { requests: 5, bytes: 4_000 },
  uploaded: { artifacts: 0, bytes: 0 },
  peers: 1,
}

test('as a table', () => {
  expect(reportLines(report)).toEqual([
    'packages from  artifacts   bytes',
    'peers                 40  5.5 MB',
    'registry               2  1.0 kB',
    'own store              0     0 B',
    'metadata: 3 from the registry, 2 from the cache',
    'the registry sent 4.0 kB in all',
    '5.5 MB of packages did not have to come from it (99 %)',
    '1 peer',
  ])
})

test('what did not have to come from the registry is never rounded up to all, nor said of nothing', () => {
  const line = (peer: number, origin: number, store: number): string | undefined => {
    const amount = (bytes: number) => ({ artifacts: bytes === 0 ? 0 : 1, bytes })
    const sources = { peer: amount(peer), origin: amount(origin), store: amount(store) }
    return reportLines({ ...report, sources }).find((each) => each.includes('did not have to'))
  }
  expect(line(0, 0, 0)).toBeUndefined()
  expect(line(0, 1_000, 0)).toBeUndefined()
  expect(line(2_000_000, 1, 1_000_000)).toContain(
    '3.0 MB of packages did not have to come from it (99 %)',
  )
  expect(line(1_000, 0, 1_000)).toContain('(100 %)')
})

test('of a daemon, it says that others are counted too', () => {
  expect(reportLines({ ...report, gateway: 'daemon' }).at(-1)).toContain('whatever else used it')
})

test('as a job summary, which a command can’t break out of', () => {
  const page = reportMarkdown({ ...report, command: 'a `b`\n# c' })
  expect(page.split('\n')[0]).toBe('### catalog exec: `` a `b` # c ``')
  expect(page).toContain('| peers | 40 | 5.5 MB |')
  expect(reportMarkdown({ ...report, command: 'npm ci', sources: undefined as never })).toContain(
    'without peers',
  )
})

test('as a job summary of a command that ran without, with the next step', () => {
  const page = reportMarkdown({
    ...{ command: 'bun install', exitCode: 0, durationMs: 12, gateway: 'none' },
    ...{ problem: 'no way', next: 'do this' },
  })
  expect(page).toContain('It ran without peers: no way. Next step: do this.\n')
})

test('as a job summary, in which a problem is text and no markup', () => {
  const page = reportMarkdown({
    ...{ command: 'npm ci', exitCode: 0, durationMs: 12, gateway: 'none' },
    problem: 'a <img src=x>\n# b [c](d) `e` | f_g_',
  })
  expect(page).toContain(
    'It ran without peers: a &lt;img src=x\\> \\# b \\[c\\]\\(d\\) \\`e\\` \\| f\\_g\\_.\n',
  )
})

test.each([
  [
    'npm: its registry is https://me:hush@npm.example/x/',
    'npm: its registry is https://npm.example/x/',
  ],
  ['no http://me:hush@npm.example?token=hush here', 'no http://npm.example/ here'],
  ['"ftp://me:hush@npm.example/"', '"ftp://npm.example/"'],
  ['plain text, 12:30', 'plain text, 12:30'],
])('of the problem %j it shows no secret', (problem, shown) => {
  expect(shownProblem(problem)).toBe(shown)
})

test.each([
  [['npm', 'ci'], 'npm ci'],
  [['/usr/bin/npm', 'ci', '--//r.example/:_authToken=hush'], 'npm ci …'],
  [['sh', '-c', 'curl -H token'], 'sh …'],
  [['env', 'TOKEN=hush', 'npm'], 'env …'],
  [['git', 'clone', 'https://me:hush@code.example'], 'git clone …'],
  [['a', 'b', 'c', 'd', 'e'], 'a b c d …'],
])('of %j it shows the beginning only', (command, shown) => {
  expect(shownCommand(command)).toBe(shown)
})
