/** The rivals: Verdaccio with a warm cache, and nginx serving the files. Each is left out where it is not installed. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/support/machines/free-port.ts'
import type { BenchMachine } from './machine.ts'
import type { ReplayClient, Target } from './replay-client.ts'
import type { Stage } from './stage.ts'

export interface RivalOptions {
  readonly stage: Stage
  readonly machine: BenchMachine
  /** Waits for the rival: this process may have no route to it. */
  readonly client: ReplayClient
}

export const VERDACCIO = fileURLToPath(
  new URL('../../test/clients/node_modules/verdaccio/bin/verdaccio', import.meta.url),
)

/** Undefined, with the reason printed, when Verdaccio is not installed. */
export async function startVerdaccio(
  upstream: string,
  options: RivalOptions,
): Promise<Target | undefined> {
  if (!existsSync(VERDACCIO)) {
    console.log('verdaccio: left out, run `npm test` once to install the test clients')
    return undefined
  }
  const { folder, target } = await prepare('verdaccio', options)
  const config = join(folder, 'config.yaml')
  await writeFile(
    config,
    `storage: ./storage
auth: { htpasswd: { file: ./htpasswd } }
uplinks: { up: { url: '${upstream}/', maxage: 1h, timeout: 60s, max_fails: 1000 } }
packages: { '**': { access: $all, publish: $all, proxy: up } }
log: { type: stdout, format: json, level: error }
`,
  )
  const listen = `${target.host}:${target.port}`
  const command = [process.execPath, VERDACCIO, '-c', config, '-l', listen]
  return { ...target, pid: await start(command, folder, target, options) }
}

/** Undefined, with the reason printed, when there is no nginx. */
export async function startNginx(root: string, options: RivalOptions): Promise<Target | undefined> {
  if (spawnSync('nginx', ['-v']).error !== undefined) {
    console.log('nginx: left out, not installed on this machine')
    return undefined
  }
  const { folder, target } = await prepare('nginx', options)
  const config = join(folder, 'nginx.conf')
  await writeFile(
    config,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen ${target.host}:${target.port}; root ${root}; }
}
`,
  )
  const command = ['nginx', '-c', config, '-p', folder]
  return { ...target, pid: await start(command, folder, target, options) }
}

async function prepare(
  name: string,
  { stage, machine }: RivalOptions,
): Promise<{ folder: string; target: Required<Pick<Target, 'host' | 'port'>> }> {
  const folder = join(stage.folder, name)
  await mkdir(folder, { recursive: true })
  // A port that is free on loopback; on a machine of a line all are free.
  return { folder, target: { host: machine.ipv4, port: await freePort() } }
}

async function start(
  command: readonly string[],
  folder: string,
  target: Target,
  { stage, machine, client }: RivalOptions,
): Promise<number> {
  const [program = '', ...args] = [...machine.prefix, ...command]
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], cwd: folder })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const gone = new AbortController()
  child.once('exit', (code) => gone.abort(new Error(`${program} ended with code ${code}`)))
  stage.defer(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await exited
  })
  await client.waitFor(target, gone.signal)
  return child.pid ?? NaN
}
