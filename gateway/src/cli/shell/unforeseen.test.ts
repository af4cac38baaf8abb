/** What becomes of `catalog` as a process when something rejects that nobody waits for: let in by Node's own `--import`. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  createWorkspace,
  execute,
  isolatedEnvironment,
  type ClientResult,
  type Workspace,
} from '../../../../test/support/client.ts'
import { catalogProgram } from '../../../../test/support/catalog-program.ts'
import { ALONE } from '../../../../test/support/exec-run.ts'

let workspace: Workspace
beforeAll(async () => {
  workspace = await createWorkspace()
})
afterAll(() => workspace[Symbol.asyncDispose]())

/** Rejects once somebody listens and `path` is there, in the process that has been started with `command`. */
function rejecting(command: string, path: string): string {
  const code = `import { existsSync } from 'node:fs'
const timer = process.argv.includes(${JSON.stringify(command)}) && setInterval(() => {
  if (process.listenerCount('uncaughtException') === 0 || !existsSync(${JSON.stringify(path)})) return
  clearInterval(timer)
  Promise.reject(new Error('nobody waits for this'))
}, 5)`
  return `--import=data:text/javascript,${encodeURIComponent(code)}`
}

async function catalog(args: readonly string[], home: string, path: string): Promise<ClientResult> {
  const [command = ''] = args
  const env = { ...isolatedEnvironment(home), NODE_OPTIONS: rejecting(command, path) }
  const all = [...(await catalogProgram()), ...args]
  return execute(process.execPath, all, { cwd: home, env, timeoutMs: 30_000 })
}

test('exec says it, and ends as its command does', async () => {
  const home = await workspace.folder('exec')
  const options = [...ALONE, '--port', '0', '--peers-only', '--store', join(home, 'store')]
  const command = [process.execPath, '-e', 'process.exit(7)']

  const result = await catalog(['exec', ...options, '--', ...command], home, home)

  expect(result.exitCode, result.output).toBe(7)
  expect(result.output).toContain('something failed that should not')
  expect(result.output).toContain('nobody waits for this')
})

test('a daemon says it and ends, and leaves no daemon.json behind', async () => {
  const home = await workspace.folder('start')
  const store = join(home, 'store')
  const file = join(store, 'daemon.json')

  const options = [...ALONE, '--port', '0', '--peers-only', '--store', store]
  const result = await catalog(['start', ...options], home, file)

  expect(result.exitCode, result.output).toBe(1)
  expect(result.output).toContain('daemon.died')
  expect(existsSync(file)).toBe(false)
})
