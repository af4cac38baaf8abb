/**
 * The command as people run it: child processes with a home folder of their own, on loopback. What single parts do is tested
 * beside them; here it is exit codes, output, signals, and that commands find the daemon.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isolatedEnvironment } from '../../../../test/support/client.ts'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import { startRegistry } from '../../../../test/support/registries/registry.ts'
import { EXIT } from './exit-codes.ts'
import { CATALOG_SOURCES, catalogProgram } from '../../../../test/support/catalog-program.ts'

const CATALOG = await catalogProgram()
const DEADLINE_MS = 30_000
/** Meets nobody, whatever the machine. */
const ALONE = ['--loopback-only', '--network.port=0', '--no-mdns', '--no-dht', '--no-upnp']

const HAS_PIPES = process.platform !== 'win32'

let home: string
let cleanups: (() => unknown)[]
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'catalog-cli-'))
  mkdirSync(join(home, 'tmp'))
  cleanups = []
})
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
  rmSync(home, { recursive: true })
})

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function environment(extra: Record<string, string>): Record<string, string> {
  return { ...isolatedEnvironment(home), ...extra }
}

function catalog(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const options = { cwd: home, env: environment(env), timeout: DEADLINE_MS }
    execFile(process.execPath, [...CATALOG, ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      if (typeof code === 'number') resolve({ code, stdout, stderr })
      else reject(new Error(`catalog ${args.join(' ')} was killed:\n${stdout}${stderr}`))
    })
  })
}

interface RunningCli {
  readonly child: ChildProcess
  readonly url: string
  /** JSON lines with this message, as they come. */
  waitFor(event: string): Promise<Record<string, unknown>>
  /** Exit code and signal. */
  readonly ended: Promise<unknown[]>
}

/** `catalog start --json`, once it says that it has started. */
async function start(
  args: readonly string[],
  env: Record<string, string> = {},
  program: readonly string[] = CATALOG,
): Promise<RunningCli> {
  const argv = [...program, 'start', '--json', ...ALONE, ...args]
  const child = spawn(process.execPath, argv, { cwd: home, env: environment(env) })
  const ended = once(child, 'exit')
  cleanups.push(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
  })
  const seen: Record<string, unknown>[] = []
  const waiting = new Map<string, (line: Record<string, unknown>) => void>()
  let printed = ''
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  createInterface({ input: child.stdout }).on('line', (text) => {
    printed += `${text}\n`
    const line = JSON.parse(text) as Record<string, unknown>
    seen.push(line)
    waiting.get(String(line.msg))?.(line)
  })
  const waitFor = async (event: string): Promise<Record<string, unknown>> => {
    const before = seen.find((line) => line.msg === event)
    if (before !== undefined) return before
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>()
    waiting.set(event, resolve)
    const fail = (why: string) => reject(new Error(`no ${event}: ${why}\n${printed}`))
    const timer = setTimeout(() => fail('too late'), DEADLINE_MS)
    void ended.then(([code]) => fail(`ended with ${String(code)}`))
    return promise.finally(() => clearTimeout(timer))
  }
  const { url } = await waitFor('daemon.started')
  return { child, url: String(url), waitFor, ended }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const json = (text: string) => JSON.parse(text)
const lines = (text: string) => text.trim().split('\n').map(json)

describe('without a daemon', { timeout: 90_000 }, () => {
  test('help and version', async () => {
    const { version } = json(
      readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
    ) as { version: string }
    expect(await catalog(['--version'])).toMatchObject({ code: EXIT.ok, stdout: `${version}\n` })
    const help = await catalog(['--help'])
    expect(help.code).toBe(EXIT.ok)
    for (const command of [
      'start',
      'status',
      'peers',
      'store',
      'prefetch',
      'use',
      'unuse',
      'doctor',
    ]) {
      expect(help.stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
    }
    expect(await catalog(['help', 'key', 'nosuch'])).toEqual({
      ...{ code: EXIT.usage, stdout: '' },
      stderr: expect.stringContaining('no such command: key nosuch'),
    })
    const start = await catalog(['help', 'start'])
    expect(start.stdout).toContain('--network.family <any|ipv4|ipv6>')
    expect(start.stdout).toContain('--no-mdns')
    expect(start.stdout).not.toContain('--max-sockets')
    // What is off can be switched on, and the other way round: as docs/options.md has it, which comes from the defaults.
    const page = readFileSync(new URL('../../../../docs/options.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| `--(no-)?([\w-]+)` +\|.*\| yes\/no +\| (yes|no) /gm)]
    expect(rows.length).toBeGreaterThan(15)
    for (const [, , name, byDefault] of rows) {
      expect(start.stdout).not.toMatch(byDefault === 'no' ? `--no-${name} ` : ` --${name} `)
    }
  })

  test('wrong usage exits with 2', async () => {
    expect(await catalog([])).toMatchObject({ code: EXIT.usage })
    const unknown = await catalog(['frobnicate'])
    expect(unknown).toMatchObject({ code: EXIT.usage, stdout: '' })
    expect(unknown.stderr).toContain("unknown command 'frobnicate'")
    expect((await catalog(['use', 'cargo'])).stderr).toContain('npm, pnpm, yarn, bun')
  })

  test('every wrong option is named at once, as text and as JSON', async () => {
    const env = { CATALOG_MDNS: 'perhaps' }
    const args = ['start', '--port=70000', '--quota=much', '--upstream=nowhere']
    const text = await catalog(args, env)
    expect(text.code).toBe(EXIT.usage)
    for (const name of ['--port', '--quota', '--upstream', 'CATALOG_MDNS']) {
      expect(text.stderr).toMatch(new RegExp(`^catalog: ${name}: `, 'm'))
    }
    expect(text.stderr).not.toContain('\u001B')
    const { error } = json((await catalog([...args, '--json'], env)).stdout)
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS', hint: expect.any(String) })
    expect(error.message.split('\n')).toHaveLength(4)
  })

  test('commands that need a daemon exit with 3 and say what to do', async () => {
    writeFileSync(join(home, 'yarn.lock'), '')
    for (const args of [['status'], ['peers'], ['prefetch', 'yarn.lock']]) {
      const ran = await catalog([...args, '--port=1'])
      expect(ran.code, args[0]).toBe(EXIT.notRunning)
      expect(ran.stderr).toContain('catalog start')
    }
    const { error } = json((await catalog(['status', '--port=1', '--json'])).stdout)
    expect(error.code).toBe('DAEMON_NOT_RUNNING')
  })

  test('config says what is in effect and why', async () => {
    writeFileSync(join(home, 'my.yaml'), 'network:\n  family: ipv6\n')
    const env = { CATALOG_CONFIG: 'my.yaml', CATALOG_QUOTA: '5GiB' }
    const { settings } = json((await catalog(['config', '--json', '--port=5000'], env)).stdout)
    const find = (name: string) => settings.find((entry: { name: string }) => entry.name === name)
    expect(find('port')).toMatchObject({ value: 5000, origin: '--port' })
    expect(find('quota')).toMatchObject({ value: 5 * 1024 ** 3, origin: 'CATALOG_QUOTA' })
    expect(find('network.family')).toMatchObject({ value: 'ipv6' })
    expect(find('max-age')).toMatchObject({ value: 300_000, origin: 'default' })
    expect((await catalog(['config'], env)).stdout).toMatch(/^quota +5GiB +CATALOG_QUOTA$/m)
  })

  test('config shows no secret of a registry’s URL', async () => {
    const upstream = 'https://me:hunter2@npm.invalid/t/k7Rq2mWz9Xv4Tb1N/npm/?apiKey=k8'
    for (const args of [['config'], ['config', '--json']]) {
      const { code, stdout } = await catalog(args, { CATALOG_UPSTREAM: upstream })
      expect(code).toBe(EXIT.ok)
      expect(stdout).toContain('https://npm.invalid/t/***/npm/')
      expect(stdout).not.toMatch(/hunter2|k7Rq2mWz9Xv4Tb1N|k8/)
    }
  })

  test.for([
    ['use npm', ['use', 'npm'], '.npmrc'],
    ['use yarn', ['use', 'yarn'], '.yarnrc.yml'],
    ['use, of npm’s file while it writes another', ['use', 'bun'], '.npmrc'],
    ['start', ['start', ...ALONE, '--port=0'], '.npmrc'],
    [
      'start, of its own settings',
      ['start', ...ALONE, '--port=0', '--config=pipe.yaml'],
      'pipe.yaml',
    ],
  ] as const)(
    '%s: a pipe with nobody at its other end holds nobody up',
    async ([, args, pipe], { skip }) => {
      if (!HAS_PIPES) return skip('Windows has no pipes in its file system')
      execFileSync('mkfifo', [join(home, pipe)])
      const ran = await catalog(args)
      expect(ran.code).not.toBe(EXIT.ok)
      expect(ran.stderr).toContain(`${pipe}: is a pipe, not a regular file`)
    },
  )

  test('doctor names a pipe, and goes on', async ({ skip }) => {
    if (!HAS_PIPES) return skip('Windows has no pipes in its file system')
    execFileSync('mkfifo', [join(home, '.yarnrc.yml')])
    const { findings } = json((await catalog(['doctor', '--json', ...ALONE])).stdout)
    const yarn = findings.find(({ name }: { name: string }) => name === 'client yarn')
    expect(yarn).toMatchObject({ verdict: 'warn', text: expect.stringContaining('pipe') })
  })

  test('use and unuse, and the same as JSON', async () => {
    writeFileSync(join(home, '.npmrc'), 'fund=false\n')
    const port = await freePort()
    const used = await catalog(['use', 'npm', `--port=${port}`, '--json'])
    expect(json(used.stdout)).toMatchObject({
      client: 'npm',
      url: `http://127.0.0.1:${port}/`,
      running: false,
      files: [{ path: join(home, '.npmrc'), action: 'written' }],
    })
    expect(readFileSync(join(home, '.npmrc'), 'utf8')).toContain(
      `registry=http://127.0.0.1:${port}/`,
    )
    const undone = await catalog(['unuse', 'npm'])
    expect(undone).toMatchObject({ code: EXIT.ok })
    expect(readFileSync(join(home, '.npmrc'), 'utf8')).toBe('fund=false\n')
    expect((await catalog(['unuse'])).stdout).toContain('nothing to undo')
  })

  test('store commands open the folder themselves', async () => {
    const stat = await catalog(['store', 'stat', '--json', '--port=1'])
    expect(stat.code).toBe(EXIT.ok)
    expect(json(stat.stdout)).toMatchObject({ artifacts: 0, writable: true, daemon: null })
    const verified = await catalog(['store', 'verify', '--port=1'])
    expect(verified.stdout).toContain('0 artifacts')
    expect((await catalog(['store', 'pin', 'sha512-x'])).code).toBe(EXIT.usage)
    expect((await catalog(['store', 'prune', '--target=some'])).code).toBe(EXIT.usage)
  })
})

describe('a daemon', { timeout: 90_000 }, () => {
  const packages = [makePackage('left', '1.3.0'), makePackage('@scope/right', '2.0.0')]
  const lockfile = {
    lockfileVersion: 3,
    packages: {
      ...Object.fromEntries(
        packages.map(({ name, version, integrity }) => [
          `node_modules/${name}`,
          { version, integrity },
        ]),
      ),
      'node_modules/not-here': { version: '1.0.0', os: ['none'] },
    },
  }

  test('from start to end: found, asked, filled, stopped', async () => {
    await using registry = await startRegistry({ packages, tarballs: 'self' })
    writeFileSync(join(home, 'package-lock.json'), JSON.stringify(lockfile))
    const daemon = await start(['--port=0', `--upstream=${registry.url}`], {}, CATALOG_SOURCES)

    const file = join(home, 'cache', 'catalog-p2p', 'daemon.json')
    const info = json(readFileSync(file, 'utf8'))
    expect(info).toMatchObject({ pid: daemon.child.pid, url: daemon.url })
    if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600)

    const status = json((await catalog(['status', '--json'])).stdout)
    expect(status).toMatchObject({
      url: daemon.url,
      pid: daemon.child.pid,
      gateway: { upstream: `${registry.url}/` },
    })
    expect(status).not.toHaveProperty('token')
    expect((await catalog(['status'])).stdout).toContain(daemon.url)
    expect(json((await catalog(['peers', '--json'])).stdout)).toEqual({ peers: [] })

    const prefetched = await catalog(['prefetch', 'package-lock.json', '--json'])
    expect(prefetched.code).toBe(EXIT.ok)
    const said = lines(prefetched.stdout)
    expect(said.slice(0, -1).map((line) => line.status)).toEqual(['ok', 'ok'])
    expect(said.at(-1)).toMatchObject({
      done: true,
      wanted: 2,
      failed: 0,
      skipped: { platform: 1 },
    })
    const again = await catalog(['prefetch', '.'])
    expect(again.stdout).toMatch(/^2 packages in .*: 2 there already/)
    expect(again.stdout).toContain('1 left out: for another platform')

    const pinned = json(
      (await catalog(['store', 'pin', '--lockfile=package-lock.json', '--json'])).stdout,
    )
    expect(pinned).toEqual({ changed: 2, missing: [] })
    expect((await catalog(['store', 'prune', '--target=0'])).stdout).toContain(
      '0 artifacts removed',
    )
    expect(json((await catalog(['store', 'stat', '--json'])).stdout)).toMatchObject({
      artifacts: 2,
      pinned: 2,
      daemon: daemon.url,
    })
    expect((await catalog(['store', 'verify'])).stdout).toMatch(/^2 artifacts .* 0 damaged$/m)

    const { findings } = json((await catalog(['doctor', '--json'])).stdout)
    const verdicts = new Map(
      findings.map((f: { name: string; verdict: string }) => [f.name, f.verdict]),
    )
    for (const name of ['node', 'store', 'daemon', 'storing', 'upstream']) {
      expect(verdicts.get(name), name).toBe('ok')
    }
    expect(verdicts.get('peers')).toBe('warn')

    const second = await catalog(['start', ...ALONE, '--port=0'])
    expect(second.code).toBe(EXIT.storeLocked)
    expect(second.stderr).toContain(daemon.url)
    const { port } = new URL(daemon.url)
    const third = await catalog(['start', ...ALONE, `--port=${port}`, '--store=other'])
    expect(third.code).toBe(EXIT.portInUse)
    expect(third.stderr).toContain('another catalog daemon')
    // Found by its port, it can be looked at, but not managed: its token is in another folder.
    const elsewhere = ['--store=other', `--port=${port}`]
    expect((await catalog(['status', ...elsewhere])).code).toBe(EXIT.ok)
    expect((await catalog(['prefetch', '.', ...elsewhere])).stderr).toContain('--store')

    daemon.child.kill('SIGTERM')
    expect(await daemon.ended).toEqual([EXIT.ok, null])
    expect(existsSync(file)).toBe(false)
    // Whoever runs the tests may have a daemon at the usual port.
    expect((await catalog(['status', '--port=1'])).code).toBe(EXIT.notRunning)
    expect(json((await catalog(['store', 'stat', '--json', '--port=1'])).stdout)).toMatchObject({
      artifacts: 2,
      pinned: 2,
      daemon: null,
    })
  }, 120_000)

  test('an incomplete prefetch exits with 6 and names what is missing', async () => {
    await using registry = await startRegistry({ packages: packages.slice(0, 1), tarballs: 'self' })
    writeFileSync(join(home, 'package-lock.json'), JSON.stringify(lockfile))
    await start(['--port=0', `--upstream=${registry.url}`])
    const ran = await catalog(['prefetch', 'package-lock.json'])
    expect(ran.code).toBe(EXIT.incomplete)
    expect(ran.stderr).toContain('failed @scope/right@2.0.0')
    expect(ran.stdout).toMatch(/1 from the registry .*, 1 failed/)
  })

  test('a prefetch leaves out what only the project has from another registry', async () => {
    await using registry = await startRegistry({ packages, tarballs: 'self' })
    mkdirSync(join(home, 'project'))
    writeFileSync(join(home, 'project', 'package-lock.json'), JSON.stringify(lockfile))
    writeFileSync(join(home, 'project', '.npmrc'), '@scope:registry=https://npm.corp.invalid/\n')
    await start(['--port=0', `--upstream=${registry.url}`])
    const ran = await catalog(['prefetch', 'project'])
    expect(ran.stdout).toContain('1 left out: from a registry that this daemon does not stand for')
    expect(ran.code).toBe(EXIT.ok)
    expect(registry.requests.filter(({ path }) => path.includes('scope'))).toEqual([])
  })

  // Windows has no signals between processes.
  test.skipIf(process.platform === 'win32')(
    'the first signal lets answers finish, the second one does not',
    async () => {
      const silent = createServer(() => undefined)
      const upstream = `http://127.0.0.1:${await listen(silent)}`
      const daemon = await start(['--port=0', `--upstream=${upstream}`])
      const asked = once(silent, 'request')
      const client = request(`${daemon.url}left/-/left-1.3.0.tgz`).on('error', () => undefined)
      client.end()
      await asked
      daemon.child.kill('SIGINT')
      await daemon.waitFor('daemon.stopping')
      daemon.child.kill('SIGINT')
      expect(await daemon.ended).toEqual([130, null])
      expect(existsSync(join(home, 'cache', 'catalog-p2p', 'daemon.json'))).toBe(false)
    },
  )

  test('a daemon.json that nobody stands behind is no daemon, and is replaced', async () => {
    const folder = join(home, 'cache', 'catalog-p2p')
    mkdirSync(folder, { recursive: true })
    const stale = { pid: process.pid, port: 1, url: 'http://127.0.0.1:1/', id: 'x', version: '0' }
    writeFileSync(
      join(folder, 'daemon.json'),
      JSON.stringify({ ...stale, token: 'a'.repeat(40), startedAtMs: 0 }),
    )
    expect((await catalog(['status', '--port=1'])).code).toBe(EXIT.notRunning)
    const daemon = await start(['--port=0', '--peers-only'])
    const status = json((await catalog(['status', '--json'])).stdout)
    expect(status).toMatchObject({ url: daemon.url, gateway: { upstream: null } })
  })

  test('a port that another program has is told apart from a catalog', async () => {
    const port = await listen(createServer((_, res) => res.end('hello')))
    const ran = await catalog(['start', ...ALONE, '--peers-only', `--port=${port}`])
    expect(ran.code).toBe(EXIT.portInUse)
    expect(ran.stderr).toContain('a program that is not catalog')
    expect(ran.stderr).toContain('--port')
  })

  test('after "use npm" the registry behind it stays the one npm had', async () => {
    await using registry = await startRegistry({ packages, tarballs: 'self' })
    writeFileSync(join(home, '.npmrc'), `registry=${registry.url}/\n`)
    const port = await freePort()
    await catalog(['use', 'npm', `--port=${port}`])
    const daemon = await start([`--port=${port}`])
    const { upstream } = await daemon.waitFor('daemon.started')
    expect(upstream).toBe(`${registry.url}/`)
  })

  test('a store folder that cannot be made leaves it in memory', async () => {
    writeFileSync(join(home, 'file'), '')
    const daemon = await start(['--port=0', '--peers-only', `--store=${join('file', 'store')}`])
    expect(await daemon.waitFor('store.in-memory')).toMatchObject({ hint: expect.any(String) })
    const { port } = new URL(daemon.url)
    expect((await catalog(['status', `--port=${port}`])).code).toBe(EXIT.ok)
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
