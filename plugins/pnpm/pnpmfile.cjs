'use strict'
/**
 * A pnpmfile for all projects of a user: pnpm 10, 11 and 12 get tarballs through a Catalog P2P daemon on this machine, with
 * registry setting, metadata and lockfile as they are. Only packages of the registry that is the daemon's upstream, only those
 * with a known sha512, and only bytes that match it. Whatever goes wrong, pnpm fetches as it would without this file; without a
 * daemon it does nothing. One file, no dependencies. https://pnpm.io/pnpmfile, docs/prefetch.md
 */
const { execFileSync } = require('node:child_process')
const { createHash } = require('node:crypto')
const { createWriteStream, readFileSync, realpathSync } = require('node:fs')
const { readFile, rm } = require('node:fs/promises')
const http = require('node:http')
const { homedir } = require('node:os')
const { dirname, join } = require('node:path')
const { pipeline } = require('node:stream/promises')

/** Asking whether a daemon is there costs at most this, once. */
const PROBE_MS = 150
/** A daemon that sends nothing for this long is given up for the registry. */
const SILENCE_MS = 15_000
/** So many failures in a row, and the daemon is left alone for the rest of this run. */
const MAX_FAILURES = 3
const HINTS_MS = 2_000
/** What the daemon takes of one list. */
const MAX_HINTS = 5_000
const MAX_ANSWER_BYTES = 64 * 1024

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })

/** `{url, registry, isDefault}`; undefined when there is none. Asked once a process. */
let finding
let failures = 0

function findDaemon() {
  finding ??= probe().catch(() => undefined) // refused, silent, or something else: no daemon
  return failures < MAX_FAILURES ? finding : undefined
}

async function probe() {
  const url = `http://127.0.0.1:${Number(process.env.CATALOG_PORT || 4874)}/`
  const signal = AbortSignal.timeout(PROBE_MS)
  const response = await request(`${url}-/catalog/hints`, { signal })
  const chunks = []
  let size = 0
  for await (const chunk of response) {
    size += chunk.length
    if (size > MAX_ANSWER_BYTES) throw new Error('no answer of ours')
    chunks.push(chunk)
  }
  const { registry, isDefault } = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  const isUseful = response.statusCode === 200 && /^https?:.*\/$/.test(registry)
  return isUseful ? { url, registry, isDefault: isDefault === true } : undefined
}

function request(url, { method = 'GET', headers = {}, body, signal }) {
  return new Promise((resolve, reject) => {
    const req = http.request(url, { method, headers, agent, signal }, resolve)
    req.setTimeout(SILENCE_MS, () => req.destroy(new Error(`silent for ${SILENCE_MS} ms`)))
    req.once('error', reject)
    req.end(body)
  })
}

/** What the files and variables that pnpm reads say of registries; read once a process. */
let settings

function readSettings(folder) {
  const { XDG_CONFIG_HOME, LOCALAPPDATA } = process.env
  const folders = [
    XDG_CONFIG_HOME ? join(XDG_CONFIG_HOME, 'pnpm') : join(homedir(), '.config', 'pnpm'),
    join(homedir(), 'Library', 'Preferences', 'pnpm'),
    ...(LOCALAPPDATA ? [join(LOCALAPPDATA, 'pnpm', 'config')] : []),
  ]
  const variables = Object.entries(process.env).map(([key, value]) => [key.toLowerCase(), value])
  const user = variables.find(([key]) => /^p?npm_config_userconfig$/.test(key))?.[1]
  const ini = (file) => textOf(file).split('\n')
  const own = [join(folder, '.npmrc'), ...folders.map((each) => join(each, 'auth.ini'))].flatMap(
    ini,
  )
  const others = [user || join(homedir(), '.npmrc'), ...folders.map((each) => join(each, 'rc'))]
  const lines = [...own, ...others.flatMap(ini)]
  for (const [key, value] of variables) {
    const name = /^p?npm_config_(.*)$/.exec(key)?.[1]
    if (name !== undefined) lines.push(`${name}=${value}`)
  }
  const yaml = [
    join(folder, 'pnpm-workspace.yaml'),
    ...folders.map((each) => join(each, 'config.yaml')),
  ]
  const registries = lines.flatMap((line) => {
    const found = /^\s*(?:(@[^:=\s]+):)?registry\s*=\s*["']?([^\s"']+)/i.exec(line)
    return found === null
      ? []
      : [{ scope: found[1]?.toLowerCase(), url: `${found[2]}/`.replace(/\/+$/, '/') }]
  })
  return {
    registries,
    // Registries in places or forms that are not read here: then nothing is the daemon's.
    isUnclear: yaml.some((file) => /^\s*["']?\S*registr/im.test(textOf(file))) || hasRegistryFlag(),
    // Credentials that the daemon does not see; those of ~/.npmrc it does, and keeps what needs them from peers.
    credentials: [...own, ...variables.map(([key]) => key.replace(/^p?npm_config_/, ''))].flatMap(
      (line) => {
        const found = /^\s*(\/\/.*?):(?:_auth\w*|_password|username|tokenhelper)\s*(?:=|$)/i.exec(
          line,
        )
        return found === null ? [] : [found[1]]
      },
    ),
  }
}

function textOf(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // there is none, which is usual
  }
}

/** pnpm 10 and 11 run this file themselves; 12 does so in a child, whose parent's arguments count. */
function hasRegistryFlag() {
  if (process.argv.length > 1) return process.argv.some((each) => each.includes('registry'))
  try {
    const args =
      process.platform === 'linux'
        ? readFileSync(`/proc/${process.ppid}/cmdline`, 'utf8')
        : execFileSync('ps', ['-o', 'args=', '-p', String(process.ppid)], {
            encoding: 'utf8',
            timeout: 1_000,
          })
    return args.includes('registry')
  } catch {
    return true // on Windows nobody tells: then it may be so
  }
}

/** Whether pnpm would take this package from the registry behind the daemon, and anyone may have it. */
function isServedName(daemon, name, folder) {
  settings ??= readSettings(folder)
  const scope = scopeOf(name)?.toLowerCase()
  const set = settings.registries
  const scoped = set.filter((each) => each.scope !== undefined && each.scope === scope)
  const wanted = scoped.length > 0 ? scoped : set.filter((each) => each.scope === undefined)
  if (settings.isUnclear || (wanted.length === 0 && !daemon.isDefault)) return false
  return wanted.every(({ url }) => url === daemon.registry) && !isPrivate(daemon, name, folder)
}

function isPrivate(daemon, name, folder) {
  settings ??= readSettings(folder)
  const place = daemon.registry.replace(/^https?:/, '')
  return scopeOf(name) !== undefined && settings.credentials.some((each) => place.startsWith(each))
}

function scopeOf(name) {
  return name.startsWith('@') ? name.slice(0, name.indexOf('/')) : undefined
}

/** Where the daemon has what is meant; undefined when that is not for the daemon. */
function placeOf(daemon, resolution, { id, folder }) {
  const { tarball, integrity, type } = resolution ?? {}
  const sha512 = sha512Of(integrity)
  if (type !== undefined || sha512 === undefined) return undefined
  // pnpm 12 says no URL: which registry it is of is for us to know.
  if (tarball === undefined) {
    const [, name, version] =
      /^((?:@[^/@]+\/)?[^/@]+)@(\d+\.\d+\.\d+[\w.+-]*)$/.exec(id ?? '') ?? []
    if (name === undefined || !isServedName(daemon, name, folder)) return undefined
    return { url: `${daemon.url}${name}/-/${name.split('/').at(-1)}-${version}.tgz`, sha512 }
  }
  if (!tarball.startsWith(daemon.registry)) return undefined
  const path = tarball.slice(daemon.registry.length)
  const [, name] = /^((?:@[^/%]+(?:\/|%2f))?[^/@%]+)\/-\/[^/%]+\.tgz$/i.exec(path) ?? []
  if (name === undefined || isPrivate(daemon, name.replace(/%2f/i, '/'), folder)) return undefined
  return { url: daemon.url + path, sha512 }
}

function sha512Of(integrity) {
  return /(?:^|\s)(sha512-[A-Za-z0-9+/]{86}==)/.exec(integrity ?? '')?.[1]
}

/** Into a file; rejects unless its bytes match. */
async function download({ url, sha512 }, file) {
  const response = await request(url, { headers: { 'pacote-integrity': sha512 } })
  if (response.statusCode !== 200) {
    response.resume()
    throw new Error(`the daemon answered ${response.statusCode}`)
  }
  const hash = createHash('sha512')
  async function* hashed(source) {
    for await (const chunk of source) {
      hash.update(chunk)
      yield chunk
    }
  }
  await pipeline(response, hashed, createWriteStream(file, { flags: 'wx', mode: 0o600 }))
  if (`sha512-${hash.digest('base64')}` !== sha512) throw new Error('not the right bytes')
}

/** Through the daemon, or else what `otherwise` does. `localTarball` is pnpm's own, and checks the bytes again. */
async function fetchTarball({ cafs, resolution, options }, localTarball, otherwise) {
  const daemon = await findDaemon()
  const folder = options.lockfileDir ?? process.cwd()
  const { name, version } = options.pkg ?? {}
  const place = daemon && placeOf(daemon, resolution, { id: `${name}@${version}`, folder })
  if (place === undefined) return otherwise()
  hinting ??= sendHints(daemon, folder).catch(() => undefined) // nothing lost: pnpm asks for each anyway
  let folderOfFile
  try {
    folderOfFile = await cafs.tempDir()
    const file = join(folderOfFile, 'package.tgz')
    await download(place, file)
    const fetched = await localTarball(cafs, { ...resolution, tarball: `file:${file}` }, options)
    failures = 0
    return fetched
  } catch {
    failures += 1
    return otherwise()
  } finally {
    if (folderOfFile !== undefined) await rm(folderOfFile, { recursive: true, force: true })
  }
}

let hinting

/** The lockfile's packages, for the daemon to run ahead of pnpm; once a process, when pnpm fetches its first. */
async function sendHints(daemon, folder) {
  const text = await readFile(join(folder, 'pnpm-lock.yaml'), 'utf8')
  const entry =
    /^ {2}'?((?:@[^/@\s]+\/)?[^/@\s']+)@(\d+\.\d+\.\d+[\w.+-]*)'?:\r?\n {4}resolution: \{integrity: (sha512-[\w+/]+==)\}/gm
  const packages = []
  for (const [, name, version, integrity] of text.matchAll(entry)) {
    if (packages.length === MAX_HINTS) break
    if (isServedName(daemon, name, folder)) packages.push({ name, version, integrity })
  }
  const response = await request(`${daemon.url}-/catalog/hints`, {
    ...{
      method: 'POST',
      body: JSON.stringify({ packages }),
      signal: AbortSignal.timeout(HINTS_MS),
    },
    headers: { 'content-type': 'application/json', 'x-catalog-client': 'pnpm' },
  })
  response.resume()
}

/** pnpm 11 and 12. No `hooks` here: with them pnpm writes a checksum into the lockfile, and frozen installs fail. */
const fetcher = {
  async canFetch(id, resolution) {
    const daemon = await findDaemon()
    const folder = process.cwd()
    return daemon !== undefined && placeOf(daemon, resolution, { id, folder }) !== undefined
  },
  fetch: (cafs, resolution, options, fetchers) =>
    fetchTarball({ cafs, resolution, options }, fetchers.localTarball, () => ({
      delegate: resolution,
    })),
}

/** pnpm 10, which knows no fetchers but these. */
const hooks = {
  fetchers: {
    remoteTarball:
      ({ defaultFetchers: { localTarball, remoteTarball } }) =>
      (cafs, resolution, options) =>
        fetchTarball({ cafs, resolution, options }, localTarball, () =>
          remoteTarball(cafs, resolution, options),
        ),
  },
  /** The checksum in the lockfile is for the project's own pnpmfile: without one there is none, as without this file. */
  updateConfig(config) {
    const others = [config.pnpmfile ?? []]
      .flat()
      .filter((file) => realpathSync(file) !== __filename)
    const isOnly = !others.some((file) => require(file).hooks != null)
    if (isOnly && config.hooks !== undefined) delete config.hooks.calculatePnpmfileChecksum
    return config
  },
}

/** updateConfig came with 10.8. */
function isPnpm10() {
  try {
    const { name, version } = JSON.parse(
      textOf(join(dirname(realpathSync(process.argv[1])), '..', 'package.json')),
    )
    return name === 'pnpm' && /^10\.([89]|\d\d)/.test(version)
  } catch {
    return false // another pnpm, or another way of running it
  }
}

module.exports = isPnpm10() ? { hooks } : { fetchers: [fetcher] }
