/** The composite action of examples/github-actions: what is in it, and its own steps as a runner would run them. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { exampleText } from './example-files.ts'
import type { ExampleShell } from './example-shell.ts'

export interface Step {
  readonly uses?: string
  readonly run?: string
  readonly shell?: string
  readonly id?: string
  readonly with?: Record<string, unknown>
  readonly env?: Record<string, string>
  readonly if?: string
}

export interface Action {
  readonly inputs: Record<string, { description: string; default?: string; required?: boolean }>
  readonly outputs: Record<string, { value: string }>
  readonly runs: { using: string; steps: Step[] }
}

export interface RanAction {
  readonly output: string
  readonly exitCode: number | null
  /** Of the runner. */
  readonly temp: string
  readonly files: { readonly GITHUB_OUTPUT: string; readonly GITHUB_STEP_SUMMARY: string }
}

export function readAction(): Action {
  return parse(exampleText('github-actions/action.yml')) as Action
}

/** What a runner does with the steps that are not somebody else's; `given`: inputs. */
export async function runAction(
  shell: ExampleShell,
  cwd: string,
  given: Readonly<Record<string, string>>,
): Promise<RanAction> {
  const action = readAction()
  const temp = join(shell.home, 'runner')
  const files = {
    GITHUB_OUTPUT: join(temp, 'output'),
    GITHUB_STEP_SUMMARY: join(temp, 'summary'),
  }
  await mkdir(temp, { recursive: true })
  for (const path of Object.values(files)) await writeFile(path, '')
  const defaults = Object.entries(action.inputs).map(([name, each]) => [name, each.default ?? ''])
  const inputs = { ...(Object.fromEntries(defaults) as Record<string, string>), ...given }
  const fill = (text: string): string =>
    text.replace(/\$\{\{ (inputs|runner)\.([\w-]+) \}\}/g, (_, of: string, name: string) =>
      of === 'runner' ? temp : (inputs[name] ?? ''),
    )
  let [output, exitCode]: [string, number | null] = ['', 0]
  for (const { run, env = {} } of action.runs.steps) {
    if (run === undefined || exitCode !== 0) continue
    const filled = Object.entries(env).map(([name, text]) => [name, fill(text)])
    const variables = {
      ...(Object.fromEntries(filled) as Record<string, string>),
      ...files,
      CI: 'true',
    }
    const ran = await shell.bash(run, cwd, variables)
    ;[output, exitCode] = [output + ran.output, ran.exitCode]
  }
  return { output, exitCode, temp, files }
}
