/**
 * `node bootstrap.mjs <command> [args]`: what every npm script runs. Plain JavaScript for Node 20 and
 * newer, no dependencies: it sets the workspace up when package-lock.json asks for it (and says so),
 * finds a Node that can run the sources, and hands over. It must never install on a second run, and
 * never hide a child's exit code or signal.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { clearInterval, setInterval } from 'node:timers'
import { fileURLToPath } from 'node:url'
import { filesWithLongTests } from './test/support/long-tests.mjs'

const root = dirname(fileURLToPath(import.meta.url))
const isWindows = process.platform === 'win32'
const sourceFlags = ['--conditions=@catalog-p2p/source', '--disable-warning=ExperimentalWarning']

const commands = {
  start: (args) => catalog(['start', ...args]),
  demo: (args) => run(setUpWorkspace(), [...sourceFlags, 'examples/demo.ts', ...args]),
  bench: (args) => run(setUpWorkspace(), [...sourceFlags, 'bench/run.ts', ...args]),
  check: () => checkWith(setUpWorkspace()),
  test: (args) => test(args, '!long'),
  'test:long': (args) => test(args, 'long'),
  'test:all': (args) => test(args),
  ...{ catalog, fix, build },
}

const [name = '', ...args] = process.argv.slice(2)
if (!Object.hasOwn(commands, name)) {
  console.error(`usage: node bootstrap.mjs <${Object.keys(commands).join('|')}> [args]`)
  process.exit(2)
}
try {
  process.exitCode = await commands[name](args)
} catch (error) {
  console.error(`catalog: ${error.message}`)
  process.exitCode = 1
}

// ---- commands --------------------------------------------------------------------------------

function catalog(args) {
  const pinned = setUpWorkspace()
  const node = runsSources(process.version) ? process.execPath : pinned
  const program = join(root, 'gateway', 'src', 'cli.ts')
  return run(node, [...sourceFlags, program, ...args], callersFolder())
}

async function test(args, tags) {
  const node = setUpWorkspace()
  setUp(join(root, 'test', 'clients'), 'the package managers that the tests drive')
  // With arguments somebody is after one test, whatever its tags; types and style wait for the whole run.
  if (args.length === 0 && tags !== 'long') {
    const code = await checkWith(node)
    if (code !== 0) return code
  }
  // Of features.test.ts: the table that docs/clients.md holds.
  const table = args.includes('--table') ? ['features-table-reporter.ts'] : []
  const reporters = ['closing-line-reporter.ts', ...table].map(
    (file) => `--reporter=${join(root, 'test', 'support', file)}`,
  )
  const rest = args.filter((each) => each !== '--table')
  if (tags && !args.length) rest.push(`--tags-filter=${tags}`)
  if (tags === 'long' && !args.length) rest.push(...filesWithLongTests(root, workspaces()))
  return tool(node, 'vitest', ['run', '--reporter=default', ...reporters, ...rest])
}

/** Side by side, as each of them keeps one core busy; all that is wrong is printed, whichever finds it. */
async function checkWith(node) {
  const codes = await Promise.all([
    tool(node, 'eslint', ['.']),
    tool(node, 'tsc', ['-p', '.']),
    tool(node, 'tsc', ['-p', 'gateway/src/dashboard/page']), // with the types of browsers
    tool(node, 'prettier', ['--check', '--log-level=warn', '.']),
  ])
  return codes.find((code) => code !== 0) ?? 0
}

async function fix() {
  const node = setUpWorkspace()
  const code = await tool(node, 'eslint', ['--fix', '.'])
  return (await tool(node, 'prettier', ['--write', '--log-level=warn', '.'])) || code
}

async function build() {
  const node = setUpWorkspace()
  for (const folder of workspaces()) {
    const config = join(folder, 'tsconfig.build.json')
    const script = join(folder, 'build.ts') // where compiling is not all of it
    const hasScript = existsSync(join(root, script))
    if (!hasScript && !existsSync(join(root, config))) continue
    rmSync(join(root, folder, 'dist'), { recursive: true, force: true })
    const code = hasScript ? await run(node, [script]) : await tool(node, 'tsc', ['-p', config])
    if (code !== 0) return code
    for (const file of Object.values(readJson(join(root, folder, 'package.json')).bin ?? {})) {
      chmodSync(join(root, folder, file), 0o755)
    }
  }
  return 0
}

// ---- running ---------------------------------------------------------------------------------

/** A command line tool among our dependencies, by the script behind its `bin`: no shell, no .cmd. */
function tool(node, binary, args) {
  const packageName = { tsc: 'typescript' }[binary] ?? binary
  const folder = join(root, 'node_modules', packageName)
  const { bin } = readJson(join(folder, 'package.json'))
  return run(node, [join(folder, typeof bin === 'string' ? bin : bin[binary]), ...args])
}

/** npm runs our scripts at the root, and says where it was called: there are the files that arguments name. */
function callersFolder() {
  const isOurScript = process.env.npm_package_json === join(root, 'package.json')
  return (isOurScript && process.env.INIT_CWD) || process.cwd()
}

function run(node, args, cwd = root) {
  const child = spawn(node, args, { cwd, stdio: 'inherit', env: environment(node) })
  const forward = (signal) => {
    // A terminal sends Ctrl-C to the whole group, Windows the news of its end to all: the child has it already.
    const hasIt = signal === 'SIGINT' ? process.stdin.isTTY : isWindows && signal === 'SIGHUP'
    if (!hasIt) child.kill(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, forward)
  // npm's shell passes no signal on: when npm is told to end, all we see is that our parent is gone.
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.env.npm_lifecycle_event && process.ppid !== parent) child.kill('SIGTERM')
  }, 1000)
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`can't run ${node}: ${error.message}`)))
    child.once('exit', (code, signal) => {
      clearInterval(watch)
      for (const forwarded of signals) process.off(forwarded, forward)
      if (signal === null) return resolve(code)
      process.kill(process.pid, signal)
    })
  })
}

/** With `node` first on the path, and still with the global npmrc of the machine's own Node. */
function environment(node) {
  // Windows spells it Path; a second spelling in the same object would win by chance.
  const key = Object.keys(process.env).find((each) => each.toUpperCase() === 'PATH') ?? 'PATH'
  const path = [dirname(node), process.env[key]].filter(Boolean).join(delimiter)
  const globalNpmrc = join(dirname(dirname(process.execPath)), 'etc', 'npmrc')
  const npm = existsSync(globalNpmrc) && { npm_config_globalconfig: globalNpmrc }
  return { ...npm, ...process.env, [key]: path }
}

// ---- set-up ----------------------------------------------------------------------------------

/** Installs what package-lock.json names, if it is not there; returns a Node that runs the sources. */
function setUpWorkspace() {
  return setUp(root, 'the workspace', () => ({ node: findNode() })).node
}

function setUp(folder, what, finish = () => ({})) {
  const stampFile = join(folder, 'node_modules', '.catalog-set-up.json')
  const key = lockKey(folder)
  const stamp = existsSync(stampFile) ? readJson(stampFile) : {}
  if (stamp.key === key && (stamp.node === undefined || existsSync(stamp.node))) return stamp
  if (!isInstalled(folder)) {
    console.error(`catalog: setting up ${what}: npm ci (once; needs the network)`)
    install(folder)
  }
  const done = { key, ...finish() }
  writeFileSync(stampFile, JSON.stringify(done))
  return done
}

/** A lockfile made elsewhere may lack the native packages of this platform: then npm adds them, beside it. */
function install(folder) {
  const quiet = ['--loglevel=error', '--no-audit', '--no-fund']
  try {
    npm(folder, ['ci', ...quiet])
  } catch (error) {
    console.error(`catalog: ${error.message}; once more with npm install`)
    npm(folder, ['install', '--no-save', ...quiet])
  }
}

function lockKey(folder) {
  const hash = createHash('sha256')
  hash.update([process.platform, process.arch].join())
  for (const each of ['package-lock.json', 'package.json']) {
    hash.update(readFileSync(join(folder, each)))
  }
  return hash.digest('hex')
}

/** Whether somebody's own `npm install` has already done it: npm notes there what it has put where. */
function isInstalled(folder) {
  const hidden = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(hidden)) return false
  const installed = readJson(hidden).packages
  return Object.entries(readJson(join(folder, 'package-lock.json')).packages).every(
    ([path, wanted]) => {
      if (!path.startsWith('node_modules/')) return true
      if (installed[path] === undefined) return wanted.optional && !isForThisMachine(wanted)
      return installed[path].version === wanted.version && existsSync(join(folder, path))
    },
  )
}

/** Optional packages with native code name their platforms; a folder copied from another lacks ours. */
function isForThisMachine({ os, cpu, libc }) {
  const allows = (list, value) =>
    !list ||
    (list.some((each) => !each.startsWith('!'))
      ? list.includes(value)
      : !list.includes(`!${value}`))
  if ((!os && !cpu) || libc) return false
  return allows(os, process.platform) && allows(cpu, process.arch)
}

function workspaces() {
  return readJson(join(root, 'package.json')).workspaces
}

/**
 * The Node of our dev dependency. Its package downloads the binary in an install script, which some
 * people switch off; then the package with the binary is installed beside it by hand.
 */
function findNode() {
  const folder = join(root, 'node_modules', 'node')
  const own = join(folder, 'bin', isWindows ? 'node.exe' : 'node')
  if (isNodeThatRunsSources(own)) return own

  const { version } = readJson(join(folder, 'package.json'))
  const platform = isWindows ? 'win' : process.platform
  const isAppleSilicon = process.platform === 'darwin' && process.arch === 'arm64'
  const packageName = [isAppleSilicon ? 'node-bin' : 'node', platform, process.arch].join('-')
  const cache = join(root, 'node_modules', '.cache', `node-${version}`)
  const fetched = join(cache, 'node_modules', packageName, 'bin', basename(own))
  if (isNodeThatRunsSources(fetched)) return fetched

  console.error(`catalog: fetching Node ${version} (its install script did not run)`)
  mkdirSync(cache, { recursive: true })
  writeFileSync(join(cache, 'package.json'), '{"private":true}')
  try {
    const quiet = ['--no-save', '--no-package-lock', '--ignore-scripts', '--loglevel=error']
    npm(cache, ['install', '--prefix', cache, ...quiet, `${packageName}@${version}`])
  } catch (error) {
    console.error(`catalog: ${error.message}`)
  }
  if (isNodeThatRunsSources(fetched)) return fetched
  if (runsSources(process.version)) return process.execPath
  throw new Error(
    `no Node that runs TypeScript sources: this one is ${process.version}, and ${packageName} could ` +
      'not be had. Install Node 24 and try again.',
  )
}

function isNodeThatRunsSources(file) {
  if (!existsSync(file)) return false
  const { status, stdout } = spawnSync(file, ['--version'], { encoding: 'utf8', timeout: 30_000 })
  return status === 0 && runsSources(stdout)
}

/** Type stripping without a flag, and zstd in zlib. */
function runsSources(version) {
  const [major, minor] = version.trim().replace(/^v/, '').split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 19)
}

function npm(cwd, args) {
  const cli = npmCli()
  const [command, prefix, shell] = cli
    ? [process.execPath, [cli], false]
    : [isWindows ? 'npm.cmd' : 'npm', [], isWindows] // a .cmd needs a shell
  const { status, signal, error } = spawnSync(command, [...prefix, ...args], {
    cwd,
    shell,
    stdio: ['ignore', 2, 2], // a command's own output on stdout stays clean
  })
  if (error) throw new Error(`can't run npm: ${error.message}`)
  if (status !== 0) throw new Error(`npm ${args[0]} failed (${signal ?? `exit code ${status}`})`)
}

function npmCli() {
  const running = process.env.npm_execpath
  if (running && /^npm-cli\.[cm]?js$/.test(basename(running)) && existsSync(running)) return running
  const beside = dirname(process.execPath)
  return [
    join(beside, 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    join(beside, '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
  ].find((file) => existsSync(file))
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'))
}
