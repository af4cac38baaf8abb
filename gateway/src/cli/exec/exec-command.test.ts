/**
 * `catalog exec` as a process: how it ends, what it prints where, what becomes of signals, which gateway it takes. The commands
 * are small programs in the place of npm, which say their registry when they are asked and then ask it; test/e2e/exec.test.ts
 * runs real package managers.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createSwarmKey, parseDigest, swarmFileToText, type CatalogNode } from '@catalog-p2p/core'
import { isolatedEnvironment } from '../../../../test/support/client.ts'
import { pidOf, startDaemon } from '../../../../test/support/daemon.ts'
import { ALONE } from '../../../../test/support/exec-run.ts'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import { quietNode } from '../../../../test/support/machines/machine.ts'
import { startUpstream, type FaultyUpstream } from '../../../../test/support/registries/upstream.ts'
import type { ExecReport } from './exec-report.ts'
import { catalogProgram } from '../../../../test/support/catalog-program.ts'

const CATALOG = await catalogProgram()
const DEADLINE_MS = 30_000

const one = makePackage('fx-one', '1.0.0')
const two = makePackage('fx-two', '1.0.0')

let home: string
let upstream: FaultyUpstream
let cleanups: (() => unknown)[]
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'catalog-exec-test-'))
  mkdirSync(join(home, 'tmp'))
  upstream = await startUpstream([one, two])
  writeFileSync(join(home, '.npmrc'), `registry=${upstream.url}\n`)
  writeFileSync(join(home, 'npm-cli.cjs'), NPM)
  cleanups = [() => upstream.stop()]
})
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
  rmSync(home, { recursive: true, maxRetries: 5 })
})

interface Running {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Resolves once the command has printed this. */
  prints(text: string): Promise<void>
  /** The exit code. */
  readonly ended: Promise<number | null>
}

interface Given {
  readonly env?: Record<string, string>
  readonly cwd?: string
  /** Of a catalog that has to find no free port of ours: `--port 0` is the default here. */
  readonly port?: number
}

function exec(options: readonly string[], command: readonly string[], given: Given = {}): Running {
  const { env = {}, cwd = home, port = 0 } = given
  const own = ['exec', ...ALONE, '--port', String(port), ...options]
  const argv = [...CATALOG, ...own, '--', ...command]
  const child = spawn(process.execPath, argv, {
    cwd,
    // It stands for npm's own.
    env: { ...isolatedEnvironment(home), CATALOG_PUBLIC_REGISTRY: upstream.url, ...env },
  })
  const deadline = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS)
  let [stdout, stderr] = ['', '']
  const waiting: { text: string; resolve: () => void }[] = []
  const take = (): void => {
    for (const { text, resolve } of waiting) if ((stdout + stderr).includes(text)) resolve()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => ((stdout += text), take()))
  child.stderr.setEncoding('utf8').on('data', (text: string) => ((stderr += text), take()))
  const ended = once(child, 'close').then(([code]) => {
    clearTimeout(deadline)
    return code as number | null
  })
  cleanups.push(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
  })
  const prints = async (text: string): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.push({ text, resolve })
    take()
    const early = ended.then(() => {
      throw new Error(`it ended without saying "${text}":\n${stdout}${stderr}`)
    })
    await Promise.race([promise, early])
  }
  return { child, stdout: () => stdout, stderr: () => stderr, prints, ended }
}

/** Answers as npm does when it is asked what it is configured with, and is any program otherwise. */
const NPM = `
  const { readFileSync } = require('node:fs')
  const [, , verb, , source, ...rest] = process.argv
  const inFile = (folder) => {
    try {
      return /^registry=(.*)$/m.exec(readFileSync(folder + '/.npm' + 'rc', 'utf8'))?.[1]
    } catch {}
  }
  if (verb === 'config') {
    const { npm_config_registry: own } = process.env
    const registry = own ?? inFile(process.cwd()) ?? inFile(require('node:os').homedir())
    console.log(JSON.stringify({ registry, 'replace-registry-host': 'npmjs' }))
  } else {
    process.argv = [process.execPath, ...rest.slice(1)]
    const Run = (async () => {}).constructor
    new Run('require', source)(require)
  }`
/** "npm ci", which runs this; it may await. */
const script = (source: string, verb = 'ci'): string[] => [
  ...[process.execPath, join(home, 'npm-cli.cjs'), verb, '--eval', source],
]
/** Fetches fx-one as npm would, and prints its length and where it came from. */
const FETCH_ONE = `
  const answer = await fetch(process.env.npm_config_registry + 'fx-one/-/fx-one-1.0.0.tgz')
  const { byteLength } = await answer.arrayBuffer()
  console.log('got', answer.status, byteLength, answer.headers.get('x-catalog-source'))`

describe('the command', { timeout: 60_000 }, () => {
  test('has its own code, input, output and arguments', async () => {
    const source = `
      console.log(JSON.stringify(process.argv.slice(1)))
      console.log(require('fs').readFileSync(0, 'utf8').length)
      process.exitCode = 7`
    const words = ['--json', 'a b', '"$HOME"', '%PATH%', '']
    const run = exec(['--quiet'], [...script(source), '--', ...words])
    run.child.stdin?.end('x'.repeat(300_000))
    expect(await run.ended).toBe(7)
    expect(run.stdout()).toBe(`${JSON.stringify(words)}\n300000\n`)
    expect(run.stderr()).toBe('')
    // One command leaves no token behind.
    const left = readdirSync(home, { recursive: true }).map(String)
    expect(left.filter((path) => path.endsWith('-token'))).toEqual([])
  })

  test('keeps its code when nobody reads what we say', async () => {
    const run = exec([], script("process.stdin.resume().on('end', () => process.exit(3))"))
    run.child.stderr?.destroy()
    run.child.stdin?.end()
    expect(await run.ended).toBe(3)
  })

  test('keeps its code when the catalog it is pointed at answers as ours does not', async () => {
    const other = createServer((req, res) => {
      const status = { gateway: { upstream: 'https://npm.example/' }, node: {} }
      const isHealth = req.url?.endsWith('health') === true
      res.setHeader('content-type', 'application/json')
      res.end(JSON.stringify(isHealth ? { status: 'ok', id: 'x', registries: [] } : status))
    }).listen(0, '127.0.0.1')
    await once(other, 'listening')
    cleanups.push(() => (other.close(), other.closeAllConnections()))
    const { port } = other.address() as AddressInfo
    writeFileSync(join(home, '.npmrc'), `registry=http://127.0.0.1:${port}/\n`)
    const run = exec([], script('process.exit(5)'))
    expect(await run.ended).toBe(5)
    expect(run.stderr()).toContain('no report: TypeError')
  })

  test.skipIf(process.platform === 'win32')(
    'that a signal kills makes 128 and its number',
    async () => {
      const run = exec(['--quiet'], script(`process.kill(process.pid, 'SIGKILL')`))
      expect(await run.ended).toBe(128 + constants.signals.SIGKILL)
    },
  )

  /** In a folder with a file that names a registry, and in one without. */
  const ASK_NPM = [
    process.execPath,
    '--eval',
    `const { execSync } = require('node:child_process')
    for (const cwd of ['named', 'plain'])
      console.log(execSync('npm config get registry', { cwd, encoding: 'utf8' }).trim())`,
  ]

  test('that is no client has npm ask us only where nothing names a registry', async () => {
    rmSync(join(home, '.npmrc'))
    for (const name of ['named', 'plain']) mkdirSync(join(home, name))
    writeFileSync(join(home, 'named', 'package.json'), '{}')
    writeFileSync(join(home, 'named', '.npmrc'), 'registry=https://npm.corp.example/\n')
    const run = exec(['--upstream', upstream.url], ASK_NPM)
    expect(await run.ended).toBe(0)
    expect(run.stdout()).toMatch(/^https:\/\/npm\.corp\.example\/\nhttp:\/\/127\.0\.0\.1:\d+\/\n$/)
  })

  test('that is no client goes its own way where npm’s registry is named', async () => {
    for (const name of ['named', 'plain']) mkdirSync(join(home, name))
    const run = exec(['--report', 'report.json'], ASK_NPM)
    expect(await run.ended).toBe(0)
    expect(run.stdout()).toBe(`${upstream.url}\n`.repeat(2))
    expect(run.stderr()).toMatch(
      /^catalog: warning: npm is not pointed at .*Next step: put the client/,
    )
    expect(readFileSync(join(home, 'report.json'), 'utf8')).toContain('put the client itself')
  })

  test('that does not exist makes 127, one that is no program 126', async () => {
    const nowhere = exec(['--quiet'], ['no-such-program'])
    expect(await nowhere.ended).toBe(127)
    expect(nowhere.stderr()).toContain('no-such-program: command not found')
    if (process.platform === 'win32') return // where what is no program goes by its name
    writeFileSync(join(home, 'text'), 'no program')
    chmodSync(join(home, 'text'), 0o644)
    const text = exec(['--quiet'], [join(home, 'text')])
    expect(await text.ended).toBe(126)
  })

  test.skipIf(process.platform === 'win32')('is told of a signal, and decides', async () => {
    const source = `
      process.on('SIGTERM', () => { console.log('told'); process.exit(9) })
      setTimeout(() => {}, 60_000)
      console.log('ready')`
    const run = exec(['--seed', '10m'], script(source))
    await run.prints('ready')
    run.child.kill('SIGTERM')
    expect(await run.ended).toBe(9)
    expect(run.stdout()).toBe('ready\ntold\n')
    expect(run.stderr()).not.toContain('seeding')
  })

  test('needs no dashes before it, as PowerShell takes them away', async () => {
    const own = ['exec', ...ALONE, '--port', '0', '--quiet']
    const words = script('console.log(process.argv.slice(1).join()); process.exitCode = 7')
    const argv = [...CATALOG, ...own, ...words, '--', '--quiet', '--report', 'x']
    const child = spawn(process.execPath, argv, { cwd: home, env: isolatedEnvironment(home) })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    expect(await once(child, 'close')).toEqual([7, null])
    expect(said).toBe('--quiet,--report,x\n')
    expect(existsSync(join(home, 'x'))).toBe(false)
  })

  test('runs without us when we cannot start, and says so once', async () => {
    const source = `console.log(process.env.npm_config_registry ?? 'as it was')`
    // RFC 5737: no machine has this address.
    const run = exec(['--host', '192.0.2.1'], script(source))
    expect(await run.ended).toBe(0)
    expect(run.stdout()).toBe('as it was\n')
    expect(run.stderr()).toMatch(/^catalog: warning: the gateway did not start: .*\n$/)
  })

  test('that has started already gets its packages from its registry when we cannot start', async () => {
    const broken = join(home, 'broken-swarm')
    writeFileSync(broken, 'no swarm', { mode: 0o600 })
    const given = ['--swarm', broken, '--report', 'report.json']
    const run = exec(given, script(FETCH_ONE), { env: { npm_config_registry: upstream.url } })
    expect(await run.ended).toBe(0)
    expect(run.stdout()).toBe(`got 200 ${one.tarball.byteLength} null\n`)
    expect(run.stderr()).toMatch(/^catalog: warning: the gateway did not start: .*\n$/)
    const report = JSON.parse(readFileSync(join(home, 'report.json'), 'utf8')) as ExecReport
    expect(report).toMatchObject({ exitCode: 0, gateway: 'none' })
  })

  test('gets its packages, and is told so, where no peer can be met', async () => {
    const run = exec(['--no-quic', '--no-tcp'], script(FETCH_ONE))
    expect(await run.ended).toBe(0)
    expect(run.stdout()).toMatch(/^got 200 \d+ origin\n$/)
    expect(run.stderr()).toContain('node.start-failed')
  })
})

/** As a build tool would: writes a result and reads it again; then says what else its token opens. */
const BUILD = `
  const { TURBO_API, TURBO_TOKEN, TURBO_TEAM } = process.env
  const at = TURBO_API + '/v8/artifacts/aa?slug=' + TURBO_TEAM
  const headers = { authorization: 'Bearer ' + TURBO_TOKEN, 'content-type': 'application/octet-stream' }
  const put = await fetch(at, { method: 'PUT', body: 'built', headers })
  const prune = new URL('/-/catalog/store/prune', TURBO_API)
  const other = await fetch(prune, { method: 'POST', body: '{}', headers })
  console.log('put', put.status, await (await fetch(at)).text(), 'prune', other.status)`

test('build tools of a command find the results here, where those were asked for', async () => {
  rmSync(join(home, '.npmrc')) // so that what installs nothing gets a gateway
  const given = ['--build-results', 'write', '--upstream', upstream.url]
  const run = exec(given, [process.execPath, '--input-type=module', '--eval', BUILD])
  expect(await run.ended).toBe(0)
  expect(run.stdout()).toBe('put 202 built prune 403\n')
  const left = readdirSync(home, { recursive: true }).map(String)
  expect(left.filter((path) => path.endsWith('-token'))).toEqual([])
})

describe('what came from where', { timeout: 60_000 }, () => {
  let peer: CatalogNode
  let options: string[]
  beforeEach(async () => {
    peer = await quietNode()
    cleanups.push(() => peer.close())
    await peer.put(one.tarball)
    const address = peer.stats().addresses.find((each) => each.includes('/quic-v1')) ?? ''
    options = ['--bootstrap', address]
  })

  test('is a table on stderr, a report in a file, and a job summary', async () => {
    const [report, summary] = [join(home, 'report.json'), join(home, 'summary.md')]
    writeFileSync(summary, '# Build\n\n')
    const given = { env: { GITHUB_STEP_SUMMARY: summary } }
    const run = exec([...options, '--report', report], script(FETCH_ONE), given)
    expect(await run.ended).toBe(0)
    const size = one.tarball.byteLength
    expect(run.stdout()).toBe(`got 200 ${size} peer\n`)
    expect(run.stderr()).toMatch(/^catalog: peers +1 +\d+ B$/m)
    const written = JSON.parse(readFileSync(report, 'utf8')) as ExecReport
    expect(written).toMatchObject({
      ...{ exitCode: 0, gateway: 'own', upstream: upstream.url },
      sources: { peer: { artifacts: 1, bytes: size }, origin: { artifacts: 0, bytes: 0 } },
    })
    const page = readFileSync(summary, 'utf8')
    expect(page).toMatch(/^# Build\n\n### catalog exec: `node .*npm-cli\.cjs ci …`\n/)
    expect(page).toContain(`| peers | 1 | ${size} B |`)
  })

  test('is a line of JSON on stderr, and nothing with --quiet', async () => {
    const json = exec([...options, '--json'], script(FETCH_ONE))
    expect(await json.ended).toBe(0)
    expect(JSON.parse(json.stderr())).toMatchObject({ sources: { peer: { artifacts: 1 } } })
    const quiet = exec([...options, '--quiet'], script(FETCH_ONE))
    expect(await quiet.ended).toBe(0)
    expect(quiet.stderr()).toBe('')
  })
})

test.skipIf(process.platform === 'win32')(
  'a signal while it starts leaves nothing behind',
  { timeout: 60_000 },
  async () => {
    const port = await freePort()
    await using daemon = await startDaemon({ args: [...ALONE, '--port', String(port)], home, port })
    expect(daemon.url).toContain(String(port))
    const folders = (): string[] =>
      readdirSync(join(home, 'tmp')).filter((name) => name.startsWith('catalog-exec-'))
    const run = exec(['--no-reuse'], script(`console.log('ran')`), { port })
    await vi.waitFor(() => expect(folders()).not.toEqual([]), { timeout: 20_000, interval: 2 })
    run.child.kill('SIGTERM')
    expect(await run.ended).toBe(128 + constants.signals.SIGTERM)
    expect(run.stdout()).toBe('')
    expect(folders()).toEqual([])
  },
)

describe('seeding', { timeout: 60_000 }, () => {
  test.skipIf(process.platform === 'win32')(
    'goes on until its time or a signal ends it',
    async () => {
      const source = `${FETCH_ONE}; process.exitCode = 4`
      const store = join(home, 'store')
      const run = exec(['--store', store, '--seed', '10m'], script(source))
      await run.prints('seeding for 10 min')
      expect(run.stdout()).toContain('origin')
      const info = JSON.parse(readFileSync(join(store, 'daemon.json'), 'utf8')) as { url: string }
      const status = await (await fetch(`${info.url}-/catalog/status`)).json()
      const { addresses } = (status as { node: { addresses: string[] } }).node
      const late = await quietNode()
      cleanups.push(() => late.close())
      await late.connect(addresses.find((each) => each.includes('/quic-v1')) ?? '')
      await knowsOf(late, 1)
      const artifact = await late.get(parseDigest(one.integrity))
      for await (const part of artifact.body) expect(part.byteLength).toBeGreaterThan(0)
      run.child.kill('SIGINT')
      expect(await run.ended).toBe(4)
      expect(run.stderr()).toMatch(new RegExp(`seeded for .*: ${one.tarball.byteLength} B given`))
    },
  )

  test('needs a time that makes sense', async () => {
    const run = exec(['--seed', 'soon'], script(''))
    expect(await run.ended).toBe(2)
    expect(run.stderr()).toContain('expected a time like')
    const variable = exec(['--quiet'], script(''), { env: { CATALOG_EXEC_SEED: '1 fortnight' } })
    expect(await variable.ended).toBe(2)
  })
})

test(
  'in CI the identity is a new one, and the store keeps the one it has',
  { timeout: 60_000 },
  async () => {
    const [store, empty] = [join(home, 'store'), join(home, 'empty')]
    const ids = async (folder: string, env = {}): Promise<{ used: string; key: string }> => {
      const [info, key] = [join(folder, 'daemon.json'), join(folder, 'identity.key')]
      const look = `const { readFileSync, existsSync } = require('fs')
      console.log(JSON.parse(readFileSync(${JSON.stringify(info)}, 'utf8')).id)
      console.log(existsSync(${JSON.stringify(key)}) ? readFileSync(${JSON.stringify(key)}, 'hex') : 'none')`
      const run = exec(['--quiet', '--store', folder], script(look), { env })
      expect(await run.ended).toBe(0)
      expect(existsSync(info)).toBe(false)
      const [used = '', had = ''] = run.stdout().split('\n')
      return { used, key: had }
    }
    const before = await ids(store)
    const inCi = await ids(store, { CI: 'true' })
    expect(inCi.used).not.toBe(before.used)
    expect(inCi.key).toBe(before.key)
    expect(await ids(store)).toEqual(before)
    expect((await ids(empty, { CI: 'true' })).key).toBe('none')
  },
)

describe('the gateway', { timeout: 90_000, tags: ['long'] }, () => {
  const REPORT = ['--report', 'report.json']
  const report = (): ExecReport =>
    JSON.parse(readFileSync(join(home, 'report.json'), 'utf8')) as ExecReport

  test('is the daemon that runs, unless the project has another registry or a token', async () => {
    const port = await freePort()
    const args = [...ALONE, '--port', String(port)]
    await using daemon = await startDaemon({ args, home, port })
    const reused = exec(REPORT, script(FETCH_ONE), { port })
    expect(await reused.ended).toBe(0)
    expect(report()).toMatchObject({ gateway: 'daemon', sources: { origin: { artifacts: 1 } } })

    const project = join(home, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), '{"packageManager":"npm@11.0.0"}')
    const other = await startUpstream([one])
    cleanups.push(() => other.stop())
    writeFileSync(join(project, '.npmrc'), `registry=${other.url}\n`)
    const elsewhere = exec(['--report', '../report.json'], script(FETCH_ONE), {
      ...{ port, cwd: project },
      // The daemon has them from a public one, too: what is proven to be public nowhere is asked of no peer.
      env: { CATALOG_PUBLIC_REGISTRY: `${upstream.url},${other.url}` },
    })
    expect(await elsewhere.ended).toBe(0)
    expect(report()).toMatchObject({ gateway: 'own', upstream: other.url })
    // The daemon holds the store, and is a peer.
    expect(elsewhere.stdout()).toContain('peer')

    const { host } = new URL(upstream.url)
    writeFileSync(join(project, '.npmrc'), `//${host}/:_authToken=hush\n`)
    const withToken = exec(['--report', '../report.json'], script(FETCH_ONE), {
      port,
      cwd: project,
    })
    expect(await withToken.ended).toBe(0)
    expect(report()).toMatchObject({ gateway: 'own', upstream: upstream.url })
    expect((await daemon.status()).gateway.tarballs.origin.artifacts).toBe(1)
  })

  test.skipIf(process.platform === 'win32')(
    'is a daemon that dies like any registry: the command ends as it likes',
    async () => {
      const port = await freePort()
      const store = ['--store', join(home, 'store')]
      const args = [...ALONE, '--port', String(port), ...store]
      await using daemon = await startDaemon({ args, home, port })
      const pid = await pidOf(join(home, 'store'))
      const source = `process.kill(${pid}, 'SIGKILL'); ${FETCH_ONE}`
      const run = exec(
        [...REPORT, ...store],
        script(`(async () => {${source}})().catch(() => process.exit(6))`),
        {
          port,
        },
      )
      expect(await run.ended).toBe(6)
      expect(report()).toMatchObject({ gateway: 'none', problem: 'the daemon has gone meanwhile' })
      expect(daemon.url).toContain(String(port))
    },
  )

  const STRANGER = 54_321
  const SYSTEM = 999
  // Somebody who opened the port before any daemon did. Only root can run a program as another user, who must find Node.
  const asAnother = { uid: STRANGER, cwd: '/', env: {} }
  const canBeAnother =
    process.platform === 'linux' &&
    process.getuid?.() === 0 &&
    spawnSync(process.execPath, ['--version'], asAnother).status === 0
  const why = canBeAnother ? '' : ' (skipped: not root on Linux, or Node is for root alone)'
  test.skipIf(!canBeAnother)(`is no stranger’s, whatever it says${why}`, async () => {
    const port = await freePort()
    const daemon = await startDaemon({ args: [...ALONE, '--port', String(port)], home, port })
    cleanups.push(() => daemon.stop())
    const pages = await Promise.all(
      ['health', 'status'].map(async (name) => {
        const path = `/-/catalog/${name}`
        return [path, await (await fetch(daemon.url + path)).text()] as const
      }),
    )
    await daemon.stop()
    const pretend = `const pages = new Map(${JSON.stringify(pages)})
      require('node:http').createServer(({ url }, res) => {
        if (!pages.has(url)) console.log(url)
        res.end(pages.get(url))
      }).listen(${port}, '127.0.0.1', () => console.log('ready'))`
    for (const uid of [STRANGER, SYSTEM]) {
      const [node, flags] = [process.execPath, ['-e', pretend]]
      const stranger = spawn(node, flags, { ...asAnother, uid, stdio: ['ignore', 'pipe', 2] })
      cleanups.push(() => stranger.kill('SIGKILL'))
      let printed = ''
      stranger.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text))
      await vi.waitFor(() => expect(printed).toContain('ready'), { timeout: 10_000 })
      expect(await exec(REPORT, script(FETCH_ONE), { port }).ended).toBe(0)
      expect(report().gateway).toBe('own')
      expect(printed).not.toContain('fx-one')
      const closed = once(stranger, 'close')
      stranger.kill('SIGKILL')
      await closed
    }
  })

  test('is the daemon only if it has proved to be ours, and has our settings', async () => {
    const port = await freePort()
    // The swarm brings more of the same; that is no setting of either.
    const keys = [{ key: createSwarmKey() }]
    const text = {
      name: 'team',
      keys,
      shareScopes: ['@team'],
      bootstrap: ['/ip4/127.0.0.1/udp/9/quic-v1'],
    }
    writeFileSync(join(home, 'swarm.txt'), swarmFileToText(text), { mode: 0o600 })
    const inSwarm = ['--swarm', join(home, 'swarm.txt'), '--share-scope', '@acme']
    const daemon = { args: [...ALONE, ...inSwarm, '--port', String(port)], home, port }
    const { host } = new URL(upstream.url)
    const token = (secret: string): void =>
      writeFileSync(
        join(home, '.npmrc'),
        `registry=${upstream.url}\n//${host}/:_authToken=${secret}\n`,
      )
    const took = async (options: readonly string[] = [], env = {}): Promise<string> => {
      const run = exec([...REPORT, ...options], script(FETCH_ONE), { port, env })
      expect(await run.ended).toBe(0)
      return report().gateway
    }
    await using running = await startDaemon(daemon)
    expect(await took(inSwarm)).toBe('daemon')
    // In a file that the daemon has read, or will read.
    token('hush')
    expect(await took()).toBe('daemon')
    // Found by its port, without its daemon.json: it may be anybody's.
    expect(await took(['--store', join(home, 'elsewhere')])).toBe('own')
    expect(await took(['--private-scope', '@acme'])).toBe('own')
    // The client would send it to the daemon.
    expect(await took([], { YARN_NPM_AUTH_TOKEN: 'hush' })).toBe('own')
    // The daemon was started without it.
    expect(await took([], { [`npm_config_//${host}/:_authToken`]: 'another' })).toBe('own')
    expect(running.url).toContain(String(port))
  })

  test('is no daemon that calls other registries public, or believes a lockfile where we may not', async () => {
    const port = await freePort()
    await using daemon = await startDaemon({ args: [...ALONE, '--port', String(port)], home, port })
    const took = async (options: readonly string[] = [], env = {}): Promise<string> => {
      const run = exec([...REPORT, ...options], script(FETCH_ONE), { port, env })
      expect(await run.ended).toBe(0)
      return report().gateway
    }
    const CI = { CI: 'true' }
    expect(await took([], CI)).toBe('own')
    expect(await took(['--unbound-digests', 'allow'], CI)).toBe('daemon')
    expect(await took(['--unbound-digests', 'refuse'])).toBe('own')
    expect(await took(['--public-registry', 'http://127.0.0.1:9/'])).toBe('own')
    const sameButUser = upstream.url.replace('//', '//me:hush@').replace(/\/$/, '')
    expect(await took(['--public-registry', sameButUser])).toBe('daemon')
    expect(daemon.url).toContain(String(port))
  })

  test.skipIf(process.platform === 'win32')(
    'is not another command’s, which may end any time',
    async () => {
      const wait = `${FETCH_ONE}; setInterval(() => {}, 1000)`
      const first = exec([], script(wait))
      await first.prints('got 200')
      const second = exec(REPORT, script(FETCH_ONE))
      expect(await second.ended).toBe(0)
      expect(report()).toMatchObject({ gateway: 'own', sources: { peer: { artifacts: 1 } } })
      first.child.kill('SIGTERM')
      expect(await first.ended).toBe(128 + constants.signals.SIGTERM)
    },
  )

  test('has the registry behind it that npm had before "catalog use npm"', async () => {
    const port = await freePort()
    const use = [...CATALOG, 'use', 'npm', '--port', String(port)]
    const child = spawn(process.execPath, use, { cwd: home, env: isolatedEnvironment(home) })
    expect(await once(child, 'close')).toEqual([0, null])
    expect(readFileSync(join(home, '.npmrc'), 'utf8')).toContain(
      `registry=http://127.0.0.1:${port}/`,
    )
    expect(await exec(REPORT, script(FETCH_ONE), { port }).ended).toBe(0)
    expect(report()).toMatchObject({
      upstream: upstream.url,
      sources: { origin: { artifacts: 1 } },
    })
  })

  /** As npm would: its variable, else the user's file. */
  const FETCH_CONFIGURED = FETCH_ONE.replace(
    'process.env.npm_config_registry',
    `(process.env.npm_config_registry ?? /=(.*)/.exec(
      (await import('node:fs')).readFileSync((await import('node:os')).homedir() + '/.npm' + 'rc', 'utf8'))[1])`,
  )

  test('is the daemon that npm is configured with, whatever that asks', async () => {
    const port = await freePort()
    const company = await startUpstream([one])
    cleanups.push(() => company.stop())
    writeFileSync(join(home, '.npmrc'), `registry=http://127.0.0.1:${port}/\n`)
    const builds = ['--build-results', 'write']
    const args = [...ALONE, '--port', String(port), '--upstream', company.url, ...builds]
    await using daemon = await startDaemon({ args, home, port })
    // Of another configuration, so that it looks for one elsewhere.
    const others = ['--store', join(home, 'elsewhere'), '--no-seed']
    const source = `${FETCH_CONFIGURED}; console.log(process.env.TURBO_API ?? 'no builds')`
    const run = exec([...REPORT, ...others], script(source))
    expect(await run.ended).toBe(0)
    // It is asked for packages wherever it is from, and for results of builds only where it has proved to be this user's.
    expect(run.stdout()).toContain('no builds')
    expect(report()).toMatchObject({
      ...{ gateway: 'daemon', upstream: company.url },
      sources: { origin: { artifacts: 1 } },
    })
    expect(report().note).toContain("--no-seed can't be heeded there")
    const inCi = exec(
      REPORT,
      script(
        `{${FETCH_CONFIGURED}};{${BUILD}};console.log('token', process.env.TURBO_TOKEN)`,
        'run',
      ),
      {
        ...{ port, env: { CI: 'true' } },
      },
    )
    expect(await inCi.ended).toBe(0)
    expect(inCi.stdout()).toContain('put 202 built')
    const [kept = ''] = readdirSync(home, { recursive: true })
      .map(String)
      .filter((path) => path.endsWith('build-token'))
    expect(inCi.stdout()).toMatch(/^token catalog_/m)
    expect(inCi.stdout()).not.toContain(readFileSync(join(home, kept), 'utf8').trim())
    expect(report()).toMatchObject({ gateway: 'daemon' })
    expect(report().note).toMatch(/--unbound-digests.* can't be heeded there/)
    expect((await daemon.status()).gateway.tarballs.origin.artifacts).toBe(1)
  })

  test('is none where npm is configured with one that does not run', async () => {
    const port = await freePort()
    writeFileSync(join(home, '.npmrc'), `registry=http://127.0.0.1:${port}/\n`)
    const run = exec(REPORT, script(`console.log(process.env.npm_config_registry)`), { port })
    expect(await run.ended).toBe(0)
    expect(run.stdout()).toBe('undefined\n')
    expect(report()).toMatchObject({ gateway: 'none' })
    expect(report().problem).toContain('where no catalog runs')
  })

  test('is that of the command around this one', async () => {
    const inner = [...CATALOG, 'exec', ...ALONE, '--port', '0', ...REPORT, '--']
    const words = JSON.stringify([...inner, ...script(FETCH_ONE)])
    const source = `require('node:child_process').spawnSync(process.execPath, ${words}, { stdio: 'inherit' })`
    const outer = exec(['--report', 'outer.json'], script(source))
    expect(await outer.ended).toBe(0)
    expect(outer.stdout()).toContain('got 200')
    const counted = { upstream: upstream.url, sources: { origin: { artifacts: 1 } } }
    expect(report()).toMatchObject({ gateway: 'daemon', ...counted })
    const around = JSON.parse(readFileSync(join(home, 'outer.json'), 'utf8')) as ExecReport
    expect(around).toMatchObject({ gateway: 'own', ...counted })
  })

  test('takes another fixed port where a stranger has ours', async () => {
    const stranger = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1')
    await once(stranger, 'listening')
    cleanups.push(() => stranger.close())
    const { port } = stranger.address() as { port: number }
    const run = exec([], script(`${FETCH_ONE}; console.log(process.env.npm_config_registry)`), {
      port,
    })
    expect(await run.ended).toBe(0)
    expect(run.stdout()).toMatch(/^got 200 .*\nhttp:\/\/127\.0\.0\.1:4874\d\//)
  })

  test('brings the project’s credentials, and keeps what they open from peers', async () => {
    await using company = await startUpstream([one, two], { prefix: '/npm/' })
    company.wall(/fx-one/, ['Bearer hush'])
    const project = join(home, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), '{"packageManager":"npm@11.0.0"}')
    const { host } = new URL(company.url)
    const npmrc = `registry=${company.url}\n//${host}/npm/:_authToken=\${TOKEN}\n`
    writeFileSync(join(project, '.npmrc'), npmrc)
    const peer = await quietNode()
    cleanups.push(() => peer.close())
    const address = peer.stats().addresses.find((each) => each.includes('/quic-v1')) ?? ''
    // npm keeps the path that the company's registry has when it replaces its host by ours.
    const source = FETCH_ONE.replace("'fx-one", "'npm/fx-one")
    const wait = `{${source}};{${source.replaceAll('fx-one', 'fx-two')}};
      await fetch('http://127.0.0.1:' + process.env.WAIT)`
    const held = createServer().listen(0, '127.0.0.1')
    await once(held, 'listening')
    cleanups.push(() => held.close())
    const given = {
      cwd: project,
      env: { TOKEN: 'hush', WAIT: String((held.address() as { port: number }).port) },
    }
    const run = exec(['--bootstrap', address], script(wait), given)
    const [, response] = (await once(held, 'request')) as [unknown, { end(): void }]
    const size = one.tarball.byteLength
    expect(run.stdout()).toBe(`got 200 ${size} origin\ngot 200 ${two.tarball.byteLength} origin\n`)
    // Nor what that registry gives to anybody: nobody has called it public.
    await knowsOf(peer, 0)
    for (const { integrity } of [one, two]) {
      await expect(peer.get(parseDigest(integrity))).rejects.toThrow()
    }
    response.end()
    expect(await run.ended).toBe(0)
  })
})

/** The artifacts that all its peers say they have. */
function knowsOf(node: CatalogNode, artifacts: number): Promise<void> {
  const look = (): void => expect(node.peers().map((each) => each.artifacts)).toEqual([artifacts])
  return vi.waitFor(look, { timeout: 10_000, interval: 20 })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
