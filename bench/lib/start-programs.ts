/** The programs that a start is measured of, each in a home of its own that is empty at first. */
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../test/support/machines/free-port.ts'
import type { PackedCatalog } from './packed-catalog.ts'
import { VERDACCIO } from './rivals.ts'
import { ask, startTimed, type Started } from './timed-process.ts'

export interface Time {
  readonly ms: number
  readonly cpuMs: number
}

export interface CatalogRun {
  readonly home: string
  readonly prefix?: readonly string[]
  readonly port?: number
  readonly peerPort?: number
  readonly bootstrap?: string
  /** It counts as started with so many peers. */
  readonly until?: number
  /** Where nobody but the child of this benchmark can ask it. */
  readonly isAway?: boolean
}

export async function startCatalog(catalog: PackedCatalog, run: CatalogRun): Promise<Started> {
  const port = run.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}/-/catalog/`
  const args = [
    ...[
      catalog.program,
      'start',
      '--json',
      '--port',
      `${port}`,
      '--store',
      join(run.home, 'store'),
    ],
    ...['--upstream', 'http://127.0.0.1:9/', '--network.port', `${run.peerPort ?? 0}`, '--no-mdns'],
    // All peers come from one address here, which has a quarter of the places.
    '--max-connections',
    '400',
    ...(run.bootstrap === undefined ? [] : ['--bootstrap', run.bootstrap]),
  ]
  const command = { args, env: environment(run.home), cwd: run.home, prefix: run.prefix ?? [] }
  return await startTimed(command, async (said) => {
    if (run.isAway) return said.includes('daemon.started')
    if (run.until === undefined) return (await ask(`${url}health`)) !== undefined
    const status = await ask(`${url}status`)
    return status !== undefined && peersIn(status) >= run.until
  })
}

function peersIn(status: string): number {
  return (JSON.parse(status) as { node: { peers: number } }).node.peers
}

export async function startVerdaccio(folder: string): Promise<Started> {
  const config = join(folder, 'verdaccio.yaml')
  await writeFile(
    config,
    `storage: ./storage
auth: { htpasswd: { file: ./htpasswd } }
uplinks: { up: { url: 'http://127.0.0.1:9/' } }
packages: { '**': { access: $all, proxy: up } }
log: { type: stdout, format: json, level: error }
`,
  )
  const port = await freePort()
  const args = [VERDACCIO, '-c', config, '-l', `127.0.0.1:${port}`]
  const isUp = async (): Promise<boolean> =>
    (await ask(`http://127.0.0.1:${port}/-/ping`)) !== undefined
  return await startTimed({ args, env: environment(folder), cwd: folder }, isUp)
}

/** As the service has it, and the same for rivals. */
const MALLOC = { MALLOC_ARENA_MAX: '2' }

/** A home that is empty at first, and nothing else that would change a start. */
export function environment(home: string): NodeJS.ProcessEnv {
  const { PATH, SystemRoot } = process.env
  const folders = { HOME: home, USERPROFILE: home, LOCALAPPDATA: home, APPDATA: home }
  return { PATH, SystemRoot, ...folders, ...MALLOC }
}

export async function timeOf(starting: Promise<Started>): Promise<Time> {
  await using started = await starting
  const { ms, cpuMs } = started
  return { ms, cpuMs }
}

/** A libp2p node and no more; its imports are found in catalog's folder. */
export async function startBare(catalog: PackedCatalog): Promise<Started> {
  const bare = join(catalog.modules, '@catalog-p2p', 'core', 'bare-libp2p.mjs')
  await copyFile(new URL('bare-libp2p.mjs', import.meta.url), bare)
  return await startTimed({ args: [bare], env: { ...process.env, ...MALLOC } }, (said) =>
    said.includes('ready'),
  )
}
