/**
 * `catalog service`: the files as systemd and launchd read them, written and undone byte for byte, and what is said when the
 * system does not play along. systemctl and launchctl are stood in for; systemd-analyze and a plist parser are real.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  statSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isCatalogError } from '@catalog-p2p/core'
import { isolatedEnvironment } from '../../../../test/support/client.ts'
import { parseCatalog } from '../../../../test/support/catalog-parser.ts'
import { EXIT } from '../shell/exit-codes.ts'
import type { Terminal } from '../shell/terminal.ts'
import { launchdPlist } from './launchd-plist.ts'
import {
  serviceInstallCommand,
  serviceStatusCommand,
  serviceUninstallCommand,
  type ServiceDependencies,
} from './service-command.ts'
import { serviceKind } from './service-kind.ts'
import { systemdUnit } from './systemd-unit.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'catalog-service-'))
})
afterEach(() => rmSync(home, { recursive: true }))

/** Everything that the two formats give a meaning of their own. */
const ODD = [`a b`, `50%h`, `$HOME \${X}`, `q"u'o\\te`, '<&amp;>', 'tab\tnew\nline', '']

describe('the systemd unit', () => {
  test('quotes what systemd would interpret', () => {
    expect(execStart(systemdUnit(['/opt/no$de', ...ODD]))).toBe(
      `"/opt/no$de" "a b" "50%%h" "$$HOME $$\{X}" "q\\"u'o\\\\te" "<&amp;>" "tab\\tnew\\nline" ""`,
    )
    // systemd takes no program with quotes in its name, not even quoted.
    expect(execStart(systemdUnit([`/o'd/$n`, 'start']))).toBe(
      `"/bin/sh" "-c" "exec \\"$$0\\" \\"$$@\\"" "/o'd/$$n" "start"`,
    )
  })

  test('is what systemd takes', ({ skip }) => {
    if (!isThere('systemd-analyze')) skip('there is no systemd-analyze here')
    // That systemd finds the program shows that it reads the quotes as they are meant.
    const program = executable('some 50%h $folder', 'no de')
    const unit = join(home, 'catalog-p2p.service')
    const verify = (text: string) => {
      writeFileSync(unit, text, { mode: 0o600 })
      const env = { ...process.env, XDG_RUNTIME_DIR: home, HOME: home }
      return spawnSync('systemd-analyze', ['--user', 'verify', unit], { env, encoding: 'utf8' })
    }
    const good = verify(systemdUnit([program, ...ODD]))
    expect(good.stderr).toBe('')
    expect(good.status).toBe(0)
    expect(verify(systemdUnit([executable(`o'd "d" \\`, 'node'), ...ODD])).stderr).toBe('')
    expect(verify(systemdUnit([`${program}x`])).status).not.toBe(0)
    expect(verify(systemdUnit([program]).replaceAll('%%', '%')).status).not.toBe(0)
  })
})

describe('the launchd property list', () => {
  test('is what a plist parser reads back', ({ skip }) => {
    const parse = plistParser()
    if (parse === undefined) skip('there is neither plutil nor Python here')
    const argv = ['/opt/node', ...ODD]
    const read = parse?.(launchdPlist(argv, '/Users/me/a&b.log'))
    expect(read).toMatchObject({
      ...{ Label: 'catalog-p2p.daemon', ProgramArguments: argv, RunAtLoad: true },
      ...{ KeepAlive: { SuccessfulExit: false }, StandardErrorPath: '/Users/me/a&b.log' },
    })
  })

  test('refuses what XML cannot hold', () => {
    expect(() => launchdPlist(['/bin/a\u0007'], '/log')).toThrow(/control character/)
  })
})

describe('the task of Windows', () => {
  const env = { USERDOMAIN: 'PC', USERNAME: 'me & you', LOCALAPPDATA: 'C:\\Users\\me\\Local' }
  const context = { env, home: 'C:\\Users\\me', platform: 'win32', uid: undefined } as const
  const argv = ['C:\\Program Files\\node.exe', 'C:\\cli.js', 'start', '--store=C:\\a "b" c\\']

  test('runs at logon as this user, and is taken away again', () => {
    const { path, start, stop, isRunning } = serviceKind(context, argv)
    expect(path).toBe('C:\\Users\\me\\Local\\catalog-p2p\\task.xml')
    expect(start.map((words) => words.join(' '))).toEqual([
      `schtasks /Create /TN Catalog P2P /XML ${path} /F`,
      'schtasks /Run /TN Catalog P2P',
    ])
    expect(stop.map(([, action]) => action)).toEqual(['/End', '/Delete'])
    expect(isRunning.join(' ')).toContain("-TaskName 'Catalog P2P'")
    expect(() => serviceKind({ ...context, env: {} }, argv)).toThrow('USERNAME is not set')
    expect(() => serviceKind(context, ['a\nb'])).toThrow('control character')
  })

  test('has the elements of the schema, in its order, and the words as Windows splits them', ({
    skip,
  }) => {
    const read = xmlElements(serviceKind(context, argv).text)
    if (read === undefined) return skip('there is no Python here')
    expect(read.map(([path]) => path)).toEqual(TASK_ELEMENTS)
    const texts = Object.fromEntries(read)
    expect(texts['Task/Principals/Principal/UserId']).toBe('PC\\me & you')
    expect(texts['Task/Actions/Exec/Arguments']).toBe(
      String.raw`--headless "C:\Program Files\node.exe" C:\cli.js start "--store=C:\a \"b\" c\\"`,
    )
  })
})

/** As the schema has them: those of a trigger stand in a sequence, those of the settings in any order. */
const TASK_ELEMENTS = [
  ...['Task', 'Task/RegistrationInfo', 'Task/RegistrationInfo/Description'],
  ...['Task/Triggers', 'Task/Triggers/LogonTrigger'],
  ...['Enabled', 'UserId'].map((each) => `Task/Triggers/LogonTrigger/${each}`),
  ...['Task/Principals', 'Task/Principals/Principal'],
  ...['UserId', 'LogonType', 'RunLevel'].map((each) => `Task/Principals/Principal/${each}`),
  'Task/Settings',
  ...['MultipleInstancesPolicy', 'DisallowStartIfOnBatteries', 'StopIfGoingOnBatteries'].map(
    (each) => `Task/Settings/${each}`,
  ),
  ...['StartWhenAvailable', 'ExecutionTimeLimit', 'RestartOnFailure'].map(
    (each) => `Task/Settings/${each}`,
  ),
  ...['Interval', 'Count'].map((each) => `Task/Settings/RestartOnFailure/${each}`),
  ...['Task/Actions', 'Task/Actions/Exec', 'Task/Actions/Exec/Command'],
  'Task/Actions/Exec/Arguments',
]

/** Of a task: the path of each element without the namespace, and its text; undefined: nothing here reads XML. */
function xmlElements(xml: string): [string, string][] | undefined {
  const script = `
import sys, json, xml.etree.ElementTree as tree
def walk(element, before):
    space, name = element.tag[1:].split('}')
    assert space == 'http://schemas.microsoft.com/windows/2004/02/mit/task'
    path = before + name
    return [[path, (element.text or '').strip()]] + [each for child in element for each in walk(child, path + '/')]
print(json.dumps(walk(tree.fromstring(sys.stdin.buffer.read()), '')))`
  const { error, status, stdout, stderr } = spawnSync('python3', ['-c', script], {
    ...{ input: xml, encoding: 'utf8' },
  })
  if (error !== undefined) return undefined
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as [string, string][]
}

// Their paths are those of systems with slashes.
const onPosix = { skip: process.platform === 'win32' }

describe('installing and uninstalling', onPosix, () => {
  test.each([
    ['linux', '.config/systemd/user/catalog-p2p.service'],
    ['darwin', 'Library/LaunchAgents/catalog-p2p.daemon.plist'],
  ] as const)('on %s leaves nothing behind', async (platform, path) => {
    mkdirSync(join(home, dirname(dirname(path))), { recursive: true })
    const before = allFiles(home)
    const world = createWorld(platform)
    expect(await world.install()).toBe(EXIT.ok)
    expect(world.file(path)).toContain('start')
    expect(world.ran).toEqual(STARTING[platform].map((line) => line.replaceAll('~', home)))
    expect(await world.uninstall()).toBe(EXIT.ok)
    expect(world.ran).toEqual(STOPPING[platform])
    expect(allFiles(home)).toEqual(before)
    expect(await world.uninstall()).toBe(EXIT.ok)
    expect(world.said()).toContain('nothing to undo')
    expect(world.ran).toEqual([])
  })

  test('twice changes nothing; other options are written over', async () => {
    const world = createWorld('linux')
    await world.install()
    const first = world.file(UNIT)
    expect(await world.install()).toBe(EXIT.ok)
    expect(world.said()).toContain('unchanged')
    expect(await world.install({ port: '5000' })).toBe(EXIT.ok)
    expect(world.file(UNIT)).toBe(first.replace('--port=1"', '--port=5000"'))
    await world.uninstall()
    expect(existsSync(join(home, UNIT))).toBe(false)
  })

  test('never touches a file of somebody else’s, unless forced, and then brings it back', async () => {
    const theirs = '[Unit]\r\nDescription=mine\r\n'
    mkdirSync(dirname(join(home, UNIT)), { recursive: true })
    writeFileSync(join(home, UNIT), theirs)
    const world = createWorld('linux')
    await expect(world.install()).rejects.toThrow(/not written by/)
    await expect(world.uninstall({ force: true })).rejects.toThrow(/not written by/)
    expect(world.file(UNIT)).toBe(theirs)
    expect(world.ran).toEqual([])
    expect(await world.install({}, { force: true })).toBe(EXIT.ok)
    expect(world.file(UNIT)).not.toBe(theirs)
    expect(await world.uninstall()).toBe(EXIT.ok)
    expect(world.file(UNIT)).toBe(theirs)
  })

  test('keeps what the user has changed, unless forced', async () => {
    const world = createWorld('linux')
    await world.install()
    const changed = `${world.file(UNIT)}# mine\n`
    writeFileSync(join(home, UNIT), changed)
    world.ran.length = 0
    await expect(world.install()).rejects.toThrow(/changed since/)
    await expect(world.uninstall()).rejects.toThrow(/changed since/)
    expect(world.file(UNIT)).toBe(changed)
    expect(world.ran).toEqual([])
    expect(await world.status()).toBe(EXIT.ok)
    expect(world.said()).toContain('changed since it was installed')
    expect(await world.uninstall({ force: true })).toBe(EXIT.ok)
    expect(existsSync(join(home, UNIT))).toBe(false)
  })

  test('a folder that others use by now stays', async () => {
    const world = createWorld('linux')
    await world.install()
    writeFileSync(join(home, '.config/systemd/user/other.service'), '')
    await world.uninstall()
    expect(readdirSync(join(home, '.config/systemd/user'))).toEqual(['other.service'])
  })

  test('install over install says which options are gone', async () => {
    const world = createWorld('linux')
    await world.install({ quota: '20GiB', 'private-scope': ['@acme'], mdns: false })
    world.said()
    await world.install({ quota: '10GiB', bootstrap: ['/dns4/nas.example.com/udp/4875/quic-v1'] })
    const said = world.said()
    expect(said).toContain('dropped   --private-scope=@acme')
    expect(said).toContain('dropped   --no-mdns')
    expect(said).toContain('changed   --quota=21474836480')
    expect(said).toContain('install replaces all options')
    expect(said).not.toContain('--port')
    await world.install({ quota: '10GiB', json: true })
    expect(JSON.parse(world.said())).toMatchObject({
      dropped: ['--bootstrap=/dns4/nas.example.com/udp/4875/quic-v1'],
    })
  })

  test.each(['https://bob:hunter2@npm.example.com/', 'https://npm.example.com/?token=x'])(
    'a secret is refused, with the next step: %s',
    async (upstream) => {
      const world = createWorld('linux')
      const error: unknown = await world.install({ upstream }).catch((caught: unknown) => caught)
      if (!isCatalogError(error, 'INVALID_OPTIONS')) throw error
      expect(error.message).toMatch(/--upstream/)
      expect(error.message).not.toContain('hunter2')
      expect(error.hint).toContain('.npmrc')
      expect(allFiles(home)).toEqual([])
      expect(await world.install({ upstream: 'https://npm.example.com/npm/' })).toBe(EXIT.ok)
    },
  )

  test('only the user can read the file; what was there before keeps its rights', async () => {
    const mode = () => statSync(join(home, UNIT)).mode & 0o777
    mkdirSync(dirname(join(home, UNIT)), { recursive: true })
    writeFileSync(join(home, UNIT), 'theirs')
    chmodSync(join(home, UNIT), 0o640)
    const world = createWorld('linux')
    await world.install({}, { force: true })
    expect(mode()).toBe(0o600)
    chmodSync(join(home, UNIT), 0o644)
    await world.install()
    expect(mode()).toBe(0o600)
    await world.uninstall()
    expect(mode()).toBe(0o640)
  })

  test('is stopped although somebody has removed the file', async () => {
    const world = createWorld('linux')
    await world.install()
    rmSync(join(home, UNIT))
    expect(await world.uninstall()).toBe(EXIT.ok)
    expect(world.ran).toEqual(STOPPING.linux)
    expect(world.said()).toContain('forgotten')
    expect(allFiles(home)).toEqual([])
  })

  test('stops even if something else fails', async () => {
    const world = createWorld('linux')
    await world.install()
    world.answer = (line) => (line.includes(' stop ') ? 'not loaded' : undefined)
    await world.uninstall()
    expect(world.ran).toEqual(STOPPING.linux)
    expect(world.said()).toContain('could not be stopped: not loaded')
  })

  test('on macOS waits until what ran before has ended', async () => {
    const world = createWorld('darwin')
    let [polls, bootstraps] = [0, 0]
    world.answer = (line) => {
      if (line.startsWith('launchctl print')) return ++polls < 8 ? undefined : 'not found'
      if (!line.startsWith('launchctl bootstrap')) return undefined
      if (polls < 8) return 'Bootstrap failed: 5: Input/output error'
      return ++bootstraps === 1 ? 'Bootstrap failed: 37: Operation already in progress' : undefined
    }
    expect(await world.install()).toBe(EXIT.ok)
    const lines = world.ran.map((line) => line.split(' ')[1])
    expect(lines.slice(0, 9)).toEqual(['bootout', ...Array<string>(8).fill('print')])
    expect(lines.slice(9)).toEqual(['enable', 'bootstrap', 'print', 'enable', 'bootstrap'])
    expect(world.nowMs).toBeLessThan(30_000)
  })

  test('on macOS gives up on what does not end, and on what fails twice', async () => {
    const world = createWorld('darwin')
    world.answer = () => undefined
    expect(await world.install()).toBe(EXIT.incomplete)
    expect(world.said()).toContain('has not ended within 30 s')
    expect(world.nowMs).toBeLessThan(31_000)
    expect(world.ran.join()).not.toContain('bootstrap')
    world.answer = (line) => {
      if (line.startsWith('launchctl print')) return 'not found'
      return line.startsWith('launchctl bootstrap') ? 'Bootstrap failed: 5: I/O error' : undefined
    }
    expect(await world.install()).toBe(EXIT.incomplete)
    expect(world.ran.filter((line) => line.includes('bootstrap'))).toHaveLength(2)
  })

  test('says what to do when the system does not play along', async () => {
    const world = createWorld('linux')
    world.failure = 'Failed to connect to bus'
    expect(await world.install()).toBe(EXIT.incomplete)
    const said = world.said()
    expect(said).toContain('it could not be started: Failed to connect to bus')
    expect(said).toContain('  systemctl --user enable catalog-p2p.service')
    expect(await world.status()).toBe(EXIT.notRunning)
    expect(await world.uninstall()).toBe(EXIT.ok)
    expect(existsSync(join(home, UNIT))).toBe(false)
  })

  test('--no-start writes the file only', async () => {
    const world = createWorld('linux')
    expect(await world.install({}, { start: false })).toBe(EXIT.ok)
    expect(world.ran).toEqual([])
    expect(world.said()).toContain('systemctl --user daemon-reload')
  })

  test('in another place than before is refused, not forgotten', async () => {
    const world = createWorld('linux')
    await world.install()
    const moved = createWorld('linux', { XDG_CONFIG_HOME: join(home, 'elsewhere') })
    await expect(moved.uninstall()).rejects.toThrow(/was installed as/)
    await expect(moved.install()).rejects.toThrow(/was installed as/)
  })

  test('a program that npx keeps for a while only is refused', async () => {
    const world = createWorld('linux')
    world.program.script = '/home/me/.npm/_npx/0123/node_modules/x/dist/cli.js'
    await expect(world.install()).rejects.toThrow(/npx/)
  })
})

test(
  'the options of the service mean to "catalog start" what they meant to install',
  onPosix,
  async () => {
    const given: Record<string, unknown> = {
      ...{ port: '5000', host: ['127.0.0.1', '::1'], mdns: false, relay: true, quota: '1.5GiB' },
      ...{ 'max-age': '90s', 'upload-rate': '10MB', store: 'my store', 'network.family': 'ipv4' },
    }
    const world = createWorld('linux', { CATALOG_DHT: 'false' })
    await world.install(given)
    expect(world.said()).toContain('CATALOG_DHT is set in this shell only')
    const line = execStart(world.file(UNIT)) ?? ''
    const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) => word)
    const { options, operands } = await parseCatalog(words.slice(words.indexOf('start')))
    expect(operands).toEqual([])
    expect(options).toEqual({
      ...{ port: '5000', host: ['127.0.0.1', '::1'], mdns: false, relay: true },
      ...{ quota: '1610612736', maxAge: '90000ms', uploadRate: '10000000' },
      ...{ store: join(home, 'my store'), 'network.family': 'ipv4' },
    })
  },
)

test('as people run it, with a systemctl that takes notes', ({ skip }) => {
  if (process.platform !== 'linux') skip('systemd is for Linux')
  const notes = join(home, 'notes')
  writeFileSync(executable('bin', 'systemctl'), `#!/bin/sh\necho "$@" >> '${notes}'\n`)
  mkdirSync(join(home, 'tmp'))
  const cli = fileURLToPath(new URL('../../cli.ts', import.meta.url))
  const flags = ['--conditions=@catalog-p2p/source', '--disable-warning=ExperimentalWarning']
  const isolated = isolatedEnvironment(home)
  const env = { ...isolated, PATH: `${join(home, 'bin')}:${isolated.PATH}` }
  const catalog = (...words: string[]) =>
    spawnSync(process.execPath, [...flags, cli, 'service', ...words], {
      cwd: home,
      env,
      encoding: 'utf8',
    })
  const installed = catalog('install', '--port', '1', '--store', 'store')
  expect(installed).toMatchObject({ status: 0, stderr: '' })
  const unit = readFileSync(join(home, 'config/systemd/user/catalog-p2p.service'), 'utf8')
  const started = `"${cli}" "start" "--port=1" "--store=${join(home, 'store')}"`
  expect(execStart(unit)).toContain(started)
  expect(catalog('status', '--port', '1', '--json').stdout).toContain(
    '"file":"ours","isRunning":true',
  )
  expect(catalog('uninstall')).toMatchObject({ status: 0, stderr: '' })
  expect(existsSync(join(home, 'config/systemd'))).toBe(false)
  expect(readFileSync(notes, 'utf8').trim().split('\n')).toEqual([
    '--user daemon-reload',
    '--user enable catalog-p2p.service',
    '--user restart catalog-p2p.service',
    '--user is-active --quiet catalog-p2p.service',
    '--user stop catalog-p2p.service',
    '--user disable catalog-p2p.service',
    '--user daemon-reload',
  ])
})

const UNIT = '.config/systemd/user/catalog-p2p.service'
const SYSTEMCTL = 'systemctl --user'
const AGENT = 'gui/501/catalog-p2p.daemon'
const STARTING = {
  linux: [
    `${SYSTEMCTL} daemon-reload`,
    `${SYSTEMCTL} enable catalog-p2p.service`,
    `${SYSTEMCTL} restart catalog-p2p.service`,
  ],
  darwin: [
    `launchctl bootout ${AGENT}`,
    `launchctl print ${AGENT}`,
    `launchctl enable ${AGENT}`,
    'launchctl bootstrap gui/501 ~/Library/LaunchAgents/catalog-p2p.daemon.plist',
  ],
}
const STOPPING = {
  linux: [
    `${SYSTEMCTL} stop catalog-p2p.service`,
    `${SYSTEMCTL} disable catalog-p2p.service`,
    `${SYSTEMCTL} daemon-reload`,
  ],
  darwin: [`launchctl bootout ${AGENT}`],
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

function createWorld(platform: 'linux' | 'darwin', env: Record<string, string> = {}) {
  const lines: string[] = []
  const plain = (_: unknown, text: string): string => text
  const terminal: Terminal = {
    ...{ env, cwd: home, home, platform, isInteractive: false, canRewrite: false, columns: 80 },
    ...{
      print: (text) => lines.push(text),
      note: (text) => lines.push(text),
      raw: () => undefined,
    },
    ...{ paint: plain, paintNote: plain },
  }
  const program: Writable<ServiceDependencies['program']> = {
    ...{ execPath: '/opt/node', execArgv: [], script: '/opt/catalog/cli.js' },
  }
  const world = {
    ran: [] as string[],
    failure: undefined as string | undefined,
    /** What a command fails with; nothing runs before it was started. */
    answer: (line: string) =>
      (line.startsWith('launchctl print') ? 'not found' : undefined) as string | undefined,
    nowMs: 0,
    program,
    file: (path: string) => readFileSync(join(home, path), 'utf8'),
    /** Since it was last asked. */
    said: () => lines.splice(0).join('\n'),
    install: (flags: object = {}, options: object = {}) =>
      act((invocation, deps) =>
        serviceInstallCommand(
          { ...invocation, flags: { ...invocation.flags, ...flags } },
          { start: true, force: false, ...options },
          deps,
        ),
      ),
    uninstall: (options: object = {}) =>
      act((invocation, deps) =>
        serviceUninstallCommand(invocation, { force: false, ...options }, deps),
      ),
    status: () => act(serviceStatusCommand),
  }
  type Command = (
    invocation: Parameters<typeof serviceStatusCommand>[0],
    deps: ServiceDependencies,
  ) => Promise<number>
  function act(command: Command): Promise<number> {
    world.ran.length = 0
    const invocation = {
      ...{ terminal, flags: { store: join(home, 'store'), port: '1' }, configFile: undefined },
      signal: new AbortController().signal,
    }
    const run: ServiceDependencies['run'] = async (words) => {
      world.ran.push(words.join(' '))
      return world.failure ?? world.answer(words.join(' '))
    }
    const clock = {
      nowMs: () => world.nowMs,
      sleep: async (ms: number) => void (world.nowMs += ms),
    }
    const configFolder = join(home, 'settings')
    return command(invocation, { run, configFolder, program, uid: 501, clock })
  }
  return world
}

function execStart(unit: string): string | undefined {
  return /^ExecStart=(.*)$/m.exec(unit)?.[1]
}

function isThere(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined
}

function executable(folder: string, name: string): string {
  const path = join(home, folder, name)
  mkdirSync(dirname(path))
  writeFileSync(path, '#!/bin/sh\n')
  chmodSync(path, 0o755)
  return path
}

/** A property list as JSON. */
function plistParser(): ((text: string) => unknown) | undefined {
  const python =
    'import plistlib,sys,json;print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))'
  const parsers = [
    ['plutil', '-convert', 'json', '-o', '-', '-'],
    ['python3', '-c', python],
  ] as const
  const usable = parsers.find(([program, ...args]) => {
    const probe = spawnSync(program, args, { input: launchdPlist(['/x'], '/y') })
    return probe.status === 0
  })
  if (usable === undefined) return undefined
  const [program, ...args] = usable
  return (text) => {
    const { stdout, stderr, status } = spawnSync(program, args, { input: text, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return JSON.parse(stdout) as unknown
  }
}

function allFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()
}
