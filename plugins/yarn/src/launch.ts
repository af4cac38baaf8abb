/**
 * Starts the daemon in the background: the `catalog` that the user named, or the one on PATH if it really is ours (others
 * have programs of that name). Never one out of a project's node_modules, never in the foreground.
 */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, realpathSync } from 'node:fs'
import { basename, delimiter, dirname, isAbsolute, join } from 'node:path'

const OUR_PACKAGE = '@catalog-p2p/gateway'

export interface LaunchOptions {
  /** What the user named; undefined: look on PATH. */
  readonly command: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** The gateway's, where this plugin will look for it. */
  readonly port: number
  /** What it has to say goes here; overwritten each time. */
  readonly logFile: string
}

/** Whether there was one to start. */
export function launchDaemon(options: LaunchOptions): boolean {
  const program = options.command ?? findCatalog(options.env)
  if (program === undefined || !existsSync(program)) return false
  const log = openSync(options.logFile, 'w', 0o600)
  try {
    const isScript = /\.[cm]?js$/.test(program)
    const isBatch = /\.(cmd|bat)$/i.test(program) // Windows runs those in a shell only
    const command = isScript ? process.execPath : isBatch ? `"${program}"` : program
    const args = ['start', '--port', String(options.port), '--log-level', 'warn']
    const child = spawn(command, isScript ? [program, ...args] : args, {
      ...{ detached: true, stdio: ['ignore', log, log], windowsHide: true, shell: isBatch },
      cwd: dirname(options.logFile), // not the project: it would keep its folder busy
      env: forDaemon(options.env),
    })
    // It will be missed where it is looked for; an install does not fail for that.
    child.once('error', () => child.unref())
    child.unref()
    return true
  } finally {
    closeSync(log)
  }
}

/** All that a daemon needs of an environment, in any case of letters: its own settings, its user's folders, the way out. */
const KEPT = [
  /^CATALOG_/,
  /^(PATH|HOME|USER|LOGNAME|LANG|TZ|TMPDIR|TEMP|TMP)$/,
  /^(LC|XDG)_/,
  /^(HTTPS?|ALL|NO)_PROXY$/,
  /^(NODE_EXTRA_CA_CERTS|NODE_USE_SYSTEM_CA|SSL_CERT_(FILE|DIR)|LD_LIBRARY_PATH)$/,
  /^(SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|OS)$/,
  /^(USERPROFILE|USERNAME|HOMEDRIVE|HOMEPATH|(LOCAL)?APPDATA|PROGRAMDATA|ALLUSERSPROFILE)$/,
]

// It outlives Yarn and its project: neither tokens nor npm's variables of one shell, nor Yarn's own loader, are for it.
function forDaemon(env: LaunchOptions['env']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && KEPT.some((each) => each.test(entry[0].toUpperCase())),
    ),
  )
}

/** The script of our own CLI, found through the `catalog` on PATH; undefined: none, or somebody else's. */
export function findCatalog(env: LaunchOptions['env']): string | undefined {
  const path = Object.entries(env).find(([key]) => key.toUpperCase() === 'PATH')?.[1] ?? ''
  for (const folder of path.split(delimiter)) {
    if (!isAbsolute(folder) || /[\\/]node_modules[\\/]\.bin[\\/]?$/.test(folder)) continue
    const found = scriptBeside(folder)
    if (found !== undefined) return found
  }
  return undefined
}

function scriptBeside(folder: string): string | undefined {
  // npm on Windows: catalog.cmd, and the package beside it.
  if (existsSync(join(folder, 'catalog.cmd'))) {
    return scriptOf(join(folder, 'node_modules', ...OUR_PACKAGE.split('/')))
  }
  const link = join(folder, 'catalog')
  if (!existsSync(link)) return undefined
  for (let at = dirname(realpathSync(link)); basename(at) !== ''; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return scriptOf(at)
  }
  return undefined
}

function scriptOf(folder: string): string | undefined {
  try {
    const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const { name, bin } = manifest as { name?: unknown; bin?: { catalog?: unknown } }
    const script = name === OUR_PACKAGE ? bin?.catalog : undefined
    return typeof script === 'string' ? join(folder, script) : undefined
  } catch {
    return undefined // no package of ours there, or a broken one
  }
}
