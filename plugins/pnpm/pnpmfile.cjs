'use strict'
/**
 * A pnpmfile for all projects of a user: pnpm 10, 11 and 12 get tarballs through the Catalog P2P daemon of this machine, while
 * registry setting, metadata and lockfile stay as they are. Only packages of the daemon's upstream registry, only those with a
 * known sha512, and only bytes that match it. After any failure, and without a daemon, pnpm fetches as without it. One file. https://pnpm.io/pnpmfile, docs/prefetch.md
 */
const { execFileSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const { createWriteStream, readFileSync, realpathSync } = require('node:fs')
const { readFile, rm } = require('node:fs/promises')
const http = require('node:http')
const { homedir } = require('node:os')
const { dirname, join } = require('node:path')
const { json } = require('node:stream/consumers')
const { pipeline } = require('node:stream/promises')

/** Deadline for the one question whether a daemon answers. */
const PROBE_MS = 150
/** Less than MIN_BYTES per SILENCE_MS is too slow: requests share a line, and a silent peer costs the daemon 15 s. */
const MIN_BYTES = 4 * 1024
const SILENCE_MS = 20_000
/** After so many failures in a row the daemon is not asked again in this process. */
const MAX_FAILURES = 3
/** Most packages that the daemon accepts in one list. */
const MAX_HINTS = 5_000
const MAX_ANSWER_BYTES = 64 * 1024

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })

/** Resolves to `{url, registries}`, or undefined without a daemon. Asked once per process. */
let finding
let failures = 0
let hinting

function findDaemon() {
  finding ??= probe().catch(() => undefined) // refused, silent, or another program: no daemon
  return failures < MAX_FAILURES ? finding : undefined
}

async function probe() {
  const url = `http://127.0.0.1:${Number(process.env.CATALOG_PORT || 4874)}/`
  const patience = new AbortController() // in steps: only time in which the event loop ran counts
  const wait = (ms) => setTimeout(() => (ms > 0 ? wait(ms - 10) : patience.abort()), 10).unref()
  wait(PROBE_MS)
  const response = await request(`${url}-/catalog/health`, { signal: patience.signal })
  if (!(Number(response.headers['content-length']) <= MAX_ANSWER_BYTES)) return undefined
  const { status, registries } = await json(response)
  return status === 'ok' && registries.length > 0 ? { url, registries } : undefined
}

function request(url, { body, ...options }) {
  return new Promise((resolve, reject) => {
    const req = http.request(url, { agent, ...options }, resolve)
    req.once('socket', (socket) => {
      let seen = socket.bytesRead // of the socket: headers can trickle, too
      const check = () => {
        if (socket.bytesRead - seen < MIN_BYTES) req.destroy(new Error('too slow'))
        seen = socket.bytesRead
      }
      // setImmediate, so that bytes which arrived while pnpm was busy are read first.
      const timer = setInterval(setImmediate, SILENCE_MS, check)
      req.once('close', () => clearInterval(timer))
    })
    req.on('error', reject) // not once: a second error must not be unhandled
    req.end(body)
  })
}

/** The registries and credentials in pnpm's files and variables, per folder of the lockfile and working folder. */
const settings = new Map()

const REGISTRY_LINE = /^\s*(?:(@[^:=\s]+):)?registry\s*=\s*["']?([^\s"']+)/i
const CREDENTIAL_LINE =
  /^\s*(?:(\/\/.*?):)?(?:_auth\w*|_password|username|tokenhelper|cert|key|certfile|keyfile)\s*=/i
/** Arguments by which pnpm works, or finds its settings, in another folder than the working folder. */
const ELSEWHERE =
  /^(?:-C|--(?:dir|prefix|workspace-dir|userconfig|config\.dir)\b|(?:workspace_)?dir=)/i

function settingsOf(folder) {
  const key = JSON.stringify([folder, process.cwd()])
  if (!settings.has(key)) settings.set(key, readSettings([folder, process.cwd()]))
  return settings.get(key)
}

/** The folder and its ancestors; a workspace's root is one of them. */
function withAncestors(folder) {
  const parent = dirname(folder)
  return parent === folder ? [folder] : [folder, ...withAncestors(parent)]
}

function readSettings(starts) {
  const { XDG_CONFIG_HOME, LOCALAPPDATA } = process.env
  const folders = [
    XDG_CONFIG_HOME ? join(XDG_CONFIG_HOME, 'pnpm') : join(homedir(), '.config', 'pnpm'),
    join(homedir(), 'Library', 'Preferences', 'pnpm'),
    ...(LOCALAPPDATA ? [join(LOCALAPPDATA, 'pnpm', 'config')] : []),
  ]
  const within = (file, parents = folders) => parents.map((each) => join(each, file))
  const matches = (lines, pattern) => lines.map((line) => pattern.exec(line)).filter(Boolean)
  const linesOf = (file) => readIfPresent(file).split('\n')
  const variables = Object.entries(process.env).flatMap(([key, value]) => {
    const name = /^p?npm_config_(.*)$/i.exec(key)?.[1]
    return name === undefined ? [] : [`${name}=${value}`]
  })
  const userFile = join(homedir(), '.npmrc')
  const named = matches(variables, /^(?:userconfig|npmrc_auth_file)=(.+)/i).map(([, file]) => file)
  const projects = [...new Set(starts.flatMap(withAncestors))]
  const files = [...within('.npmrc', projects), ...named, ...within('auth.ini')]
  const own = [...files.filter((file) => file !== userFile).flatMap(linesOf), ...variables]
  const lines = [...own, ...[userFile, ...within('rc')].flatMap(linesOf)]
  const yaml = [...within('pnpm-workspace.yaml', projects), ...within('config.yaml')]
  const args = commandLine()
  const isElsewhere = [...(args ?? []), ...variables].some((each) => ELSEWHERE.test(each))
  return {
    registries: matches(lines, REGISTRY_LINE).map(([, scope, url]) => {
      return { scope: scope?.toLowerCase() ?? null, url: `${url}/`.replace(/\/+$/, '/') }
    }),
    isElsewhere,
    // A registry is named in a form that is not parsed here: then no package goes through the daemon.
    isUnclear:
      (args?.some((each) => each.includes('registry')) ?? true) ||
      yaml.some((file) => /^\s*["']?\S*registr/im.test(readIfPresent(file))),
    // Those that the daemon does not read; it reads ~/.npmrc, and keeps what needs those from peers.
    credentials: matches(own, CREDENTIAL_LINE).map(([, place = '']) =>
      place.toLowerCase().replace(/:(?:80|443)(?=\/|$)/, ''),
    ),
  }
}

function readIfPresent(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // most of these files do not exist
  }
}

/** pnpm's arguments. pnpm 10 and 11 run this file themselves; 12 does so in a child process. */
function commandLine() {
  if (process.argv.length > 1) return process.argv
  const parent = String(process.ppid)
  const options = { encoding: 'utf8', timeout: 1_000 }
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${parent}/cmdline`, 'utf8').split('\0')
      : execFileSync('ps', ['-o', 'args=', '-p', parent], options).split(/\s+/)
  } catch {
    return undefined // Windows has no such command
  }
}

/** The registries of the name's scope, or else the default ones; the daemon has one of each. */
function registriesOf(registries, name) {
  const scope = scopeOf(name)
  const own = registries.filter((each) => each.scope === scope)
  return own.length > 0 ? own : registries.filter((each) => each.scope === null)
}

/** Whether pnpm and the daemon would fetch this package from the same registry, and without credentials of pnpm's own. */
function isServedName(daemon, name, folder) {
  const { registries, isUnclear } = settingsOf(folder)
  const [home] = registriesOf(daemon.registries, name)
  const wanted = registriesOf(registries, name)
  if (isUnclear || (wanted.length === 0 && !home?.isPublicDefault)) return false
  return wanted.every(({ url }) => url === home?.url) && !isPrivate(home, name, folder)
}

/** npm's public registry has private packages in scopes only; another registry may serve different packages to each user. */
function isPrivate(home, name, folder) {
  const { credentials, isElsewhere } = settingsOf(folder)
  if (isElsewhere) return true
  if (scopeOf(name) === null && home.isPublicDefault) return false
  const at = home.url.replace(/^https?:/, '').toLowerCase()
  return credentials.some((it) => at.startsWith(it) || it.startsWith(at) || it.includes('$'))
}

function scopeOf(name) {
  return /^@[^/]+(?=\/)/.exec(name)?.[0].toLowerCase() ?? null
}

/** The tarball's URL at the daemon and its sha512; undefined when it must not be asked. */
function daemonTarball(daemon, resolution, { id, folder }) {
  const { tarball, integrity, type } = resolution ?? {}
  const sha512 = /(?:^|\s)(sha512-[A-Za-z0-9+/]{86}==)/.exec(integrity ?? '')?.[1]
  if (type !== undefined || sha512 === undefined) return undefined
  // pnpm 12 passes no URL: the registry follows from its settings.
  if (tarball === undefined) {
    const [, name, version] =
      /^((?:@[^/@]+\/)?[^/@]+)@(\d+\.\d+\.\d+[\w.+-]*)$/.exec(id ?? '') ?? []
    if (name === undefined || !isServedName(daemon, name, folder)) return undefined
    return { url: `${daemon.url}${name}/-/${name.split('/').at(-1)}-${version}.tgz`, sha512 }
  }
  const usual = /((?:@[^/%]+(?:\/|%2f))?[^/@%]+)\/-\/[^/%]+\.tgz$/i.exec(tarball)
  if (usual === null) return undefined
  const name = usual[1].replace(/%2f/i, '/')
  const [home] = registriesOf(daemon.registries, name)
  const isServed = tarball === home?.url + usual[0] && !isPrivate(home, name, folder)
  return isServed ? { url: daemon.url + usual[0], sha512 } : undefined
}

/** Downloads into a file; rejects unless the bytes match. */
async function download({ url, sha512 }, file) {
  const response = await request(url, { headers: { 'pacote-integrity': sha512 } })
  if (response.statusCode !== 200) {
    response.resume()
    throw new Error(`the daemon answered ${response.statusCode}`)
  }
  const hash = createHash('sha512')
  response.on('data', (chunk) => hash.update(chunk))
  await pipeline(response, createWriteStream(file, { flags: 'wx', mode: 0o600 }))
  if (`sha512-${hash.digest('base64')}` !== sha512) throw new Error('not the right bytes')
}

/** Through the daemon, or else by `fallback`. `localTarball` is pnpm's own fetcher, which checks the bytes again. */
async function fetchTarball({ cafs, resolution, options }, localTarball, fallback) {
  const daemon = await findDaemon()
  const folder = options.lockfileDir ?? process.cwd()
  const { name, version } = options.pkg ?? {}
  const source = daemon && daemonTarball(daemon, resolution, { id: `${name}@${version}`, folder })
  if (source === undefined) return fallback()
  hinting ??= sendHints(daemon, folder).catch(() => undefined) // hints only: pnpm asks for each package anyway
  let tempFolder
  try {
    tempFolder = await cafs.tempDir()
    const file = join(tempFolder, 'package.tgz')
    await download(source, file)
    const fetched = await localTarball(cafs, { ...resolution, tarball: `file:${file}` }, options)
    failures = 0
    return fetched
  } catch {
    failures += 1
    return fallback()
  } finally {
    // A virus scanner may keep a file open for a moment. A leftover in pnpm's temporary folder must not fail an install.
    const options = { recursive: true, force: true, maxRetries: 3, retryDelay: 50 }
    if (tempFolder !== undefined) await rm(tempFolder, options).catch(() => undefined)
  }
}

/** Names the lockfile's packages to the daemon, which prefetches them; once per process, with pnpm's first tarball. */
async function sendHints(daemon, folder) {
  const text = await readFile(join(folder, 'pnpm-lock.yaml'), 'utf8')
  const entry =
    /^ {2}'?((?:@[^/@\s]+\/)?[^/@\s']+)@(\d+\.\d+\.\d+[\w.+-]*)'?:\r?\n {4}resolution: \{integrity: (sha512-[\w+/]+==)\}/gm
  const packages = []
  for (const [, name, version, integrity] of text.matchAll(entry)) {
    if (isServedName(daemon, name, folder)) packages.push({ name, version, integrity })
  }
  const response = await request(`${daemon.url}-/catalog/hints`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-catalog-client': 'pnpm' },
    body: JSON.stringify({ packages: packages.slice(0, MAX_HINTS) }),
    signal: AbortSignal.timeout(SILENCE_MS),
  })
  response.resume()
}

/** pnpm 11 and 12. No `hooks` here: with them pnpm writes a checksum into the lockfile, and frozen installs fail. */
const fetcher = {
  async canFetch(id, resolution) {
    const daemon = await findDaemon()
    const folder = process.cwd()
    return daemon !== undefined && daemonTarball(daemon, resolution, { id, folder }) !== undefined
  },
  fetch: (cafs, resolution, options, { localTarball }) =>
    fetchTarball({ cafs, resolution, options }, localTarball, () => ({ delegate: resolution })),
}

/** pnpm 10, which has no other kind of fetchers. */
const hooks = {
  fetchers: {
    remoteTarball:
      ({ defaultFetchers: { localTarball, remoteTarball } }) =>
      (cafs, resolution, options) =>
        fetchTarball({ cafs, resolution, options }, localTarball, () =>
          remoteTarball(cafs, resolution, options),
        ),
  },
  /** The lockfile's checksum covers only the project's own pnpmfile: without one there must be none. */
  updateConfig(config) {
    const files = [config.pnpmfile ?? []].flat()
    const others = files.filter((file) => realpathSync(file) !== __filename)
    const isOnly = others.every((file) => require(file).hooks == null)
    if (isOnly && config.hooks !== undefined) delete config.hooks.calculatePnpmfileChecksum
    return config
  },
}

/** 10.8 or newer, which has updateConfig. */
function isPnpm10() {
  try {
    const program = dirname(realpathSync(process.argv[1]))
    const { name, version } = require(join(program, '..', 'package.json'))
    return name === 'pnpm' && /^10\.([89]|\d\d)/.test(version)
  } catch {
    return false // another version, or run in another way
  }
}

module.exports = isPnpm10() ? { hooks } : { fetchers: [fetcher] }
