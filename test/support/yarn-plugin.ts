/**
 * Yarn 4 with our plugin in a world of its own: the plugin built as it is published, the user's .yarnrc.yml naming it, and in
 * front of a gateway a relay that can change what passes and die on demand.
 */
import { once } from 'node:events'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, request, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { execute, isolatedEnvironment, type ClientResult } from './client.ts'
import { clientCommand, findClient } from './clients.ts'
import { repositoryRoot } from './source-tree.ts'
import { madeOnce } from './test-run.ts'

/** Built, packed and installed once per test run: the path of the plugin's one file, as strangers have it. */
export async function packPlugin(): Promise<string> {
  const workspace = join(repositoryRoot, 'plugins', 'yarn')
  const { name, version } = JSON.parse(await readFile(join(workspace, 'package.json'), 'utf8')) as {
    name: string
    version: string
  }
  const file = join('dist', 'plugin-catalog-p2p.cjs')
  const folder = await madeOnce('yarn-plugin', async (home) => {
    // A copy of the package, as other tests may build in the workspace meanwhile.
    const copy = join(home, 'package')
    for (const each of ['package.json', 'README.md']) {
      await cp(join(workspace, each), join(copy, each))
    }
    const npm = clientCommand(findClient('npm-11'))
    const quiet = ['--ignore-scripts', '--offline', '--no-audit', '--no-fund']
    await must([process.execPath, join(workspace, 'build.ts'), join(copy, file)], home)
    await must([...npm, 'pack', copy, '--pack-destination', home, ...quiet], home)
    await must([...npm, 'install', join(home, `${name}-${version}.tgz`), ...quiet], home)
  })
  return join(folder, 'node_modules', name, file)
}

async function must([command = '', ...args]: readonly string[], home: string): Promise<void> {
  const env = isolatedEnvironment(home)
  const { exitCode, output } = await execute(command, args, { cwd: home, env, timeoutMs: 60_000 })
  if (exitCode !== 0) throw new Error(`${[command, ...args].join(' ')}:\n${output}`)
}

export interface YarnRun {
  readonly cwd: string
  readonly home: string
  readonly registry: string
  /** Lines of the user's .yarnrc.yml beside the registry's. */
  readonly settings?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export async function runYarn(args: readonly string[], run: YarnRun): Promise<ClientResult> {
  await mkdir(join(run.home, 'tmp'), { recursive: true })
  const lines = [
    `npmRegistryServer: '${run.registry}'`,
    `unsafeHttpWhitelist: ['127.0.0.1']`,
    'enableTelemetry: false',
    'httpRetry: 0',
    `httpsProxy: 'http://127.0.0.1:1'`, // answers nobody, as in isolatedEnvironment
    ...(run.settings ?? []),
  ]
  await writeFile(join(run.home, '.yarnrc.yml'), `${lines.join('\n')}\n`)
  const [command, ...first] = clientCommand(findClient('yarn-4'))
  return execute(command, [...first, ...args], {
    cwd: run.cwd,
    timeoutMs: 90_000,
    env: {
      ...isolatedEnvironment(run.home),
      YARN_GLOBAL_FOLDER: join(run.home, 'yarn-global'),
      YARN_IGNORE_PATH: '1',
      ...run.env,
    },
  })
}

export async function mustRunYarn(args: readonly string[], run: YarnRun): Promise<string> {
  const { exitCode, output } = await runYarn(args, run)
  if (exitCode === 0) return output
  throw new Error(`yarn ${args.join(' ')} exited with ${exitCode}:\n${output.slice(-4000)}`)
}

export interface RelayedAnswer {
  readonly path: string
  readonly status: number
  readonly body: Buffer
}

export interface Relay extends AsyncDisposable {
  /** No trailing slash. */
  readonly url: string
  /** What passed, in order. */
  readonly seen: { readonly path: string; readonly headers: IncomingHttpHeaders }[]
  /** Bodies of what was posted. */
  readonly posted: string[]
  /** Changes bodies on their way; undefined leaves one alone. */
  change: (answer: RelayedAnswer) => Buffer | undefined
  /** Asked at each request; true: it dies, with all that is under way, and answers nobody again. */
  diesAt: (path: string) => boolean
}

/** Stands in front of `target`, a gateway or a registry, as if it were it; `page` answers instead of it, if given. */
export async function startRelay(target: string, page?: () => Buffer): Promise<Relay> {
  const seen: Relay['seen'] = []
  const posted: string[] = []
  const server = createServer((req, res) => {
    const path = decodeURIComponent(req.url ?? '/')
    seen.push({ path, headers: req.headers })
    if (relay.diesAt(path)) {
      server.close()
      server.closeAllConnections()
      return
    }
    if (page !== undefined) return void res.end(page())
    // Without an encoding, so that bodies can be changed.
    const headers = { ...req.headers, 'accept-encoding': 'identity' }
    const forward = request(target + (req.url ?? '/'), { method: req.method, headers })
    forward.on('error', () => res.destroy())
    forward.on('response', (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', () => res.destroy())
      answer.on('end', () => {
        const status = answer.statusCode ?? 502
        passOn(res, answer.headers, { path, status, body: Buffer.concat(chunks) })
      })
    })
    if (req.method === 'POST') req.on('data', (chunk: Buffer) => posted.push(chunk.toString()))
    req.pipe(forward)
  })
  const passOn = (res: ServerResponse, headers: IncomingHttpHeaders, answer: RelayedAnswer) => {
    const body = relay.change(answer) ?? answer.body
    res.writeHead(answer.status, { ...headers, 'content-length': body.byteLength })
    res.end(body)
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const relay: Relay = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ seen, posted },
    change: () => undefined,
    diesAt: () => false,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return relay
}
