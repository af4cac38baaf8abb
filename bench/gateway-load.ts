/**
 * Question: how many requests a second does a warm gateway answer, for small tarballs, packuments, and packuments that the client
 * has already (304)? 32 connections of one client in C; beside Verdaccio with a warm cache, nginx serving the same bytes as files,
 * and the ceiling of Node: bare `node:http` with them in memory. Goals: 0.8 of nginx's requests a second and 4 times Verdaccio's.
 */
import { get, type IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { loadCorpusOf, type CorpusFile } from './lib/corpus.ts'
import { LOOPBACK } from './lib/machine.ts'
import { noteGoal, ratios, summarize, summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { fetchPackuments, metadataOf, NPM_METADATA } from './lib/packument-files.ts'
import { startReplayClient, type Target } from './lib/replay-client.ts'
import { startNginx, startVerdaccio } from './lib/rivals.ts'
import { Stage, type StartedNode } from './lib/stage.ts'
import { cpuMsOf } from './lib/timed-process.ts'
import { putUnderLoad, rawRequest, whyNoWrk, type Load } from './lib/wrk.ts'

/** Of the list, of which those that are small are asked for. */
const PACKAGES = 600
const SMALL_BYTES = 20_000
const OLD_VERSIONS = 60
const CONNECTIONS = 32
const SECONDS = 4
const AGENT = { 'user-agent': 'npm/11.0.0 node/v24.0.0 linux x64 workspaces/false' }

const KINDS = ['small tarballs', 'packuments', 'packuments, 304'] as const
type Kind = (typeof KINDS)[number]
const SERVERS = ['nginx', 'bare node:http', 'gateway', 'Verdaccio'] as const
type ServerName = (typeof SERVERS)[number]

interface Server {
  readonly target: Target
  readonly requests: Readonly<Record<Kind, readonly string[]>>
  /** Of its timers, where it can be asked. */
  loopDelay(): Promise<{ p99Ms: number; maxMs: number }>
}

interface Measured extends Load {
  readonly kind: Kind
  readonly server: ServerName
  readonly cpuMs: number
  readonly loopMaxMs: number
}

export async function run(options: { rounds: number; quick: boolean }): Promise<unknown> {
  const reason = whyNoWrk()
  if (reason !== undefined) {
    console.log(`left out: ${reason}`)
    return { reason }
  }
  await using stage = await Stage.open()
  const servers = await startServers(stage)
  const how = { connections: CONNECTIONS, seconds: options.quick ? 1 : SECONDS }
  const measured: Measured[] = []
  await stage.quiesce()
  for (let round = -1; round < options.rounds; round += 1) {
    for (const kind of KINDS) {
      for (const [name, server] of servers) {
        const one = await measure(server, kind, { ...how, script: join(stage.folder, 'load.lua') })
        if (round >= 0) measured.push({ kind, server: name, ...one }) // the first one warms up
      }
    }
  }
  print(measured)
  return measured
}

async function measure(
  server: Server,
  kind: Kind,
  how: { connections: number; seconds: number; script: string },
): Promise<Omit<Measured, 'kind' | 'server'>> {
  const { port, pid = NaN } = server.target
  await server.loopDelay()
  const cpuBefore = cpuMsOf(pid)
  const load = await putUnderLoad(port, server.requests[kind], how)
  const { maxMs } = await server.loopDelay()
  return { ...load, cpuMs: cpuMsOf(pid) - cpuBefore, loopMaxMs: maxMs }
}

async function startServers(stage: Stage): Promise<Map<ServerName, Server>> {
  const all = await loadCorpusOf(stage.folder, PACKAGES)
  const files = all.files.filter(({ bytes }) => bytes < SMALL_BYTES)
  const corpus = { ...all, files }
  const listed = files.map((file) => ({ ...file, dependencies: { 'some-package': '^1.2.3' } }))
  const { port } = await stage.startUpstream([{ ...corpus, files: listed }], {
    oldVersions: OLD_VERSIONS,
  })
  const client = startReplayClient(stage)
  const upstream = `http://127.0.0.1:${port}/`
  const gateway = { port: 0, upstream, cachePath: join(stage.folder, 'metadata') }
  const node = await stage.startNode('node', { gateway })
  await client.ask(node, files)
  const names = [...new Set(files.map(({ name }) => name))]
  const root = join(corpus.folder, 'tarballs')
  const packed = await fetchPackuments(node.port, names, join(root, 'packed'))

  const rivals = { stage, machine: LOOPBACK, client }
  const servers = new Map<ServerName, Server>()
  const nginx = await startNginx(root, rivals)
  const plain = packed.map((file) => ({ ...file, path: `packed/${file.version}` }))
  if (nginx !== undefined) servers.set('nginx', await serverOf(nginx, files, plain))
  const paths = [...files, ...plain].map(({ path }) => path)
  const bare = stage.start('lib/bare-http-child.ts')
  const bareTarget = await bare.call<Target>('start', { folder: root, paths })
  servers.set('bare node:http', await serverOf(bareTarget, files, plain))
  servers.set('gateway', await serverOf(await targetOf(node), files, packed, node))
  const verdaccio = await startVerdaccio(`http://127.0.0.1:${port}`, rivals)
  if (verdaccio !== undefined) {
    await client.ask(verdaccio, files)
    servers.set('Verdaccio', await serverOf(verdaccio, files, files.map(metadataOf)))
  }
  return servers
}

async function targetOf({ child, port }: StartedNode): Promise<Target> {
  return { port, pid: await child.call<number>('pid') }
}

async function serverOf(
  target: Target,
  tarballs: readonly CorpusFile[],
  packuments: readonly CorpusFile[],
  node?: StartedNode,
): Promise<Server> {
  const metadata = { ...AGENT, ...NPM_METADATA }
  const known: string[] = []
  for (const { path } of packuments) {
    const { etag = '' } = await headersOf(target.port, `/${path}`, metadata)
    const header = { ...metadata, 'if-none-match': etag }
    await headersOf(target.port, `/${path}`, header, 304)
    known.push(rawRequest(`/${path}`, header))
  }
  return {
    target,
    requests: {
      'small tarballs': tarballs.map(({ path, integrity }) =>
        rawRequest(`/${path}`, { ...AGENT, 'pacote-integrity': integrity }),
      ),
      packuments: packuments.map(({ path }) => rawRequest(`/${path}`, metadata)),
      'packuments, 304': known,
    },
    loopDelay: async () => (await node?.child.call('loopDelay')) ?? { p99Ms: NaN, maxMs: NaN },
  }
}

/** @throws unless it answers with that status */
async function headersOf(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
  status = 200,
): Promise<IncomingHttpHeaders> {
  return await new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, headers }, (response) => {
      response.resume()
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === status) resolve(response.headers)
        else reject(new Error(`port ${port}, ${path}: ${response.statusCode ?? 0}, not ${status}`))
      })
    })
    request.on('error', reject)
  })
}

function print(measured: readonly Measured[]): void {
  for (const kind of KINDS) {
    const of = (server: ServerName): Measured[] =>
      measured.filter((each) => each.kind === kind && each.server === server)
    const rates = (list: readonly Measured[]): number[] =>
      list.map(({ requests, seconds }) => requests / seconds)
    const isThere = (server: ServerName): boolean => of(server).length > 0
    const rows = SERVERS.filter(isThere).map((server) => {
      const mine = of(server)
      const compared = (['nginx', 'bare node:http', 'Verdaccio'] as const)
        .filter(isThere)
        .map((rival) => {
          return [`of ${rival}`, summarize(ratios(rates(mine), rates(of(rival))), 2)] as const
        })
      return {
        [kind]: server,
        'requests/s': summarize(rates(mine), 0),
        ...Object.fromEntries(compared),
        'p50 ms': summarizeBy(mine, ({ p50Ms }) => p50Ms, 1),
        'p99 ms': summarizeBy(mine, ({ p99Ms }) => p99Ms, 1),
        'CPU of the server, µs each': summarizeBy(
          mine,
          ({ cpuMs, requests }) => (1000 * cpuMs) / requests,
          0,
        ),
        'longest timer delay, ms':
          server === 'gateway' ? summarizeBy(mine, ({ loopMaxMs }) => loopMaxMs, 0) : '',
      }
    })
    console.log(`\n${toMarkdownTable(rows)}`)
    const mine = rates(of('gateway'))
    const limit = `a bare node:http server reaches ${summarize(ratios(rates(of('bare node:http')), rates(of('nginx'))), 2)}`
    const of4 = ratios(mine, rates(of('Verdaccio')))
    noteGoal(
      `${kind}: requests a second, of nginx`,
      ratios(mine, rates(of('nginx'))),
      { atLeast: 0.8 },
      limit,
    )
    noteGoal(`${kind}: requests a second, of Verdaccio`, of4, { atLeast: 4 })
  }
}
