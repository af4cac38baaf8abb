/**
 * A real Verdaccio in a process of its own, on loopback: as the registry behind a gateway (it takes publications and knows
 * users), or in front of one (a gateway as its uplink). Configured from here alone, and gone with its test.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { isolatedEnvironment } from './client.ts'
import { repositoryRoot } from './source-tree.ts'

export interface Verdaccio extends AsyncDisposable {
  /** No trailing slash. */
  readonly url: string
  /** What it has logged so far. */
  output(): string
}

export interface VerdaccioOptions {
  /** An empty folder of its own. */
  readonly folder: string
  /** The registry behind it, no trailing slash; none by default. */
  readonly uplink?: string
}

const PROGRAM = ['test', 'clients', 'node_modules', 'verdaccio', 'bin', 'verdaccio']
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 10_000

export async function startVerdaccio({ folder, uplink }: VerdaccioOptions): Promise<Verdaccio> {
  const port = await freePort()
  const config = join(folder, 'config.yaml')
  await writeFile(config, JSON.stringify(configFor(folder, uplink))) // JSON is YAML
  const child = fork(
    join(repositoryRoot, ...PROGRAM),
    ['--config', config, '--listen', `127.0.0.1:${port}`],
    { cwd: folder, env: isolatedEnvironment(folder), stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  )
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      printed = (printed + text).slice(-100_000)
    })
  }
  const ended = once(child, 'exit')
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    const deadline = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await ended
    clearTimeout(deadline)
  }
  const timeout = AbortSignal.timeout(START_TIMEOUT_MS)
  try {
    // It says so itself, to a parent process.
    await Promise.race([
      once(child, 'message', { signal: timeout }),
      ended.then(([code]) => Promise.reject(new Error(`Verdaccio ended with ${String(code)}`))),
    ])
  } catch (error) {
    await stop()
    throw new Error(`Verdaccio did not start:\n${printed}`, { cause: error })
  }
  return {
    url: `http://127.0.0.1:${port}`,
    output: () => printed,
    [Symbol.asyncDispose]: stop,
  }
}

function configFor(folder: string, uplink: string | undefined): object {
  const rules = { publish: '$authenticated', unpublish: '$authenticated' }
  const proxy = uplink === undefined ? {} : { proxy: 'behind' }
  return {
    storage: join(folder, 'storage'),
    web: { enable: false },
    // Verdaccio's own hashing is slow on purpose.
    auth: { htpasswd: { file: join(folder, 'htpasswd'), algorithm: 'bcrypt', rounds: 4 } },
    // Up-to-date at once, and never given up after a failure.
    ...(uplink !== undefined && {
      uplinks: { behind: { url: `${uplink}/`, maxage: '0s', max_fails: 1000, fail_timeout: '1s' } },
    }),
    packages: {
      '@fx-private/*': { ...rules, access: '$authenticated' },
      '**': { ...rules, ...proxy, access: '$all' },
    },
    log: { type: 'stdout', format: 'json', level: 'warn' },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
