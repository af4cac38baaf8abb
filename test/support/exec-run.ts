/** `catalog exec -- CLIENT …` in an isolated home, as people run it, with its report. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecReport } from '../../gateway/src/cli/exec/exec-report.ts'
import { catalogProgram } from './catalog-program.ts'
import { execute, isolatedEnvironment, type ClientResult } from './client.ts'
import { clientCommand, type Client } from './clients.ts'
import { publicRegistry } from './registries/public-registry.ts'

export interface ExecRun {
  readonly cwd: string
  readonly home: string
  /** Before `--`. */
  readonly options: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  /** What `catalog` is; by default catalog-program.ts. */
  readonly catalog?: readonly string[]
}

export interface ExecResult extends ClientResult {
  /** Undefined when the command was not even started. */
  readonly report: ExecReport | undefined
}

/** Meets nobody but whom it is told of, whatever the machine. */
export const ALONE = [
  ...['--loopback-only', '--network.port=0', '--no-mdns', '--no-dht', '--no-upnp'],
  ...['--no-relay-client'],
]

export async function catalogExec(command: readonly string[], run: ExecRun): Promise<ExecResult> {
  const reportPath = join(run.home, 'report.json')
  await mkdir(join(run.home, 'tmp'), { recursive: true })
  const catalog = run.catalog ?? [process.execPath, ...(await catalogProgram())]
  const [program = '', ...rest] = catalog
  const own = ['exec', '--report', reportPath, ...ALONE, ...run.options, '--', ...command]
  const standIn = await publicRegistry(run.options, [run.cwd, run.home])
  const env = { ...isolatedEnvironment(run.home), ...standIn, ...run.env }
  const { cwd, timeoutMs = 90_000 } = run
  const result = await execute(program, [...rest, ...own], { cwd, env, timeoutMs })
  const report = await readFile(reportPath, 'utf8').catch(() => undefined)
  return { ...result, report: report && (JSON.parse(report) as ExecReport) } as ExecResult
}

/** With the client's own configuration naming `registry` (or nothing), as if there were no catalog. */
export async function clientByExec(
  client: Client,
  args: readonly string[],
  run: ExecRun & { readonly registry: string | undefined },
): Promise<ExecResult> {
  for (const [path, content] of Object.entries(client.files(run.registry ?? ''))) {
    const silent = content.replace(/^.*\bregistry\b.*\n|^npmRegistryServer.*\n/gim, '')
    await writeFile(join(run.home, path), run.registry === undefined ? silent : content)
  }
  const env = { ...client.variables(run.home), ...run.env }
  return catalogExec([...clientCommand(client), ...args], { ...run, env })
}
