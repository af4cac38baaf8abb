/** The rivals: Verdaccio with a warm cache, and nginx serving the files. Each is absent where it is not installed. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Rival {
  readonly port: number
  stop(): Promise<void>
}

const READY_DEADLINE_MS = 30_000
const VERDACCIO = fileURLToPath(
  new URL('../../test/clients/node_modules/verdaccio/bin/verdaccio', import.meta.url),
)

/** Undefined, with the reason printed, when Verdaccio is not installed. */
export async function startVerdaccio(
  folder: string,
  upstreamPort: number,
): Promise<Rival | undefined> {
  if (!existsSync(VERDACCIO)) {
    console.log('verdaccio: left out, run `npm test` once to install the test clients')
    return undefined
  }
  const port = await freePort()
  await mkdir(folder, { recursive: true })
  const config = join(folder, 'config.yaml')
  await writeFile(
    config,
    `storage: ./storage
auth: { htpasswd: { file: ./htpasswd } }
uplinks: { up: { url: 'http://127.0.0.1:${upstreamPort}/', maxage: 1h, timeout: 60s, max_fails: 1000 } }
packages: { '**': { access: $all, proxy: up } }
log: { type: stdout, format: json, level: error }
`,
  )
  const child = spawn(process.execPath, [VERDACCIO, '-c', config, '-l', `127.0.0.1:${port}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: folder,
  })
  return await whenReady(child, port)
}

/** Undefined, with the reason printed, when there is no nginx. */
export async function startNginx(folder: string, root: string): Promise<Rival | undefined> {
  if (spawnSync('nginx', ['-v']).error !== undefined) {
    console.log('nginx: left out, not installed on this machine')
    return undefined
  }
  const port = await freePort()
  await mkdir(folder, { recursive: true })
  const config = join(folder, 'nginx.conf')
  await writeFile(
    config,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`,
  )
  const child = spawn('nginx', ['-c', config, '-p', folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return await whenReady(child, port)
}

async function whenReady(child: ChildProcess, port: number): Promise<Rival> {
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const deadline = performance.now() + READY_DEADLINE_MS
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the rival ended with code ${child.exitCode}`)
    const answered = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    )
    if (answered) break
    if (performance.now() > deadline) throw new Error('the rival did not start')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    port,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
