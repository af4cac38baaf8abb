/**
 * Flags over environment over config file over defaults, into options for the node and the gateway. Reports every
 * problem at once, each with where the value came from. Pure but for reading the config file.
 */
import { resolve } from 'node:path'
import { CatalogError, parseNodeOptions, type NodeOptions } from '@catalog-p2p/core'
import { parseGatewayOptions, type GatewayOptions } from '../options.ts'
import { readConfigFile, type ConfigFile } from './config-file.ts'
import { environmentOf, fileKeyOf, flagOf, SCHEMA_KEY, type Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'
import { nearest } from './nearest.ts'
import {
  isSwarmSecret,
  NO_SWARM,
  SECRET_SHOWN,
  usualSwarm,
  type SwarmPlace,
} from './swarm-place.ts'
import { inUnits, readValue } from './values.ts'

export type Environment = Readonly<Record<string, string | undefined>>
export type LogLevel = 'silent' | 'error' | 'warn' | 'info' | 'debug'

export interface ConfigInput {
  /** By setting name; undefined counts as absent. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Environment
  /** --config. */
  readonly configFile?: string | undefined
  readonly configFolder: string
  readonly cwd: string
  readonly home: string
  /** Where the store is when nothing says so. */
  readonly defaultStore: string
}

export interface Config {
  readonly node: NodeOptions
  readonly gateway: GatewayOptions
  readonly storePath: string
  readonly peersOnly: boolean
  /** undefined: as it suits where the output goes. */
  readonly logLevel: LogLevel | undefined
  readonly json: boolean
  /** The private swarm to be in; of a file it is not known yet whether it makes sense. */
  readonly swarm?: SwarmPlace | undefined
  /** What was set, by setting name: the value and `--port`, `CATALOG_PORT` or `<file>:<line>: port`. */
  readonly given: ReadonlyMap<string, GivenValue>
  /** The config file that was read. */
  readonly file: string | undefined
  /** Things that look like mistakes but need not be. */
  readonly warnings: readonly string[]
}

export interface GivenValue {
  readonly value: unknown
  readonly origin: string
}

/** Names in CATALOG_* that are no settings. */
const OTHER_ENVIRONMENT = new Set([
  'CATALOG_CONFIG',
  'CATALOG_EXEC_SEED',
  'CATALOG_EXEC_FROZEN_TRUST',
])

/** @throws CatalogError INVALID_OPTIONS with every problem, one per line */
export function resolveConfig(input: ConfigInput): Config {
  const named = input.configFile ?? nonEmpty(input.env.CATALOG_CONFIG)
  const read = named === undefined ? undefined : readValue(PATH, named, pathContext(input))
  const file = readConfigFile(
    read?.ok === true ? String(read.value) : undefined,
    input.configFolder,
  )
  const problems: string[] = []
  const given = new Map<string, GivenValue>()
  for (const setting of SETTINGS) {
    const found = find(setting, input, file)
    if (found === undefined) continue
    const problem = checkOne(setting, found, input, given)
    if (problem !== undefined) problems.push(`${found.origin}: ${problem}`)
  }
  problems.push(...unknownKeys(file))
  if (given.get('peers-only')?.value === true && given.get('upstream')?.origin.startsWith('--')) {
    problems.push('--upstream: has no use together with --peers-only')
  }
  if (problems.length > 0) {
    throw new CatalogError('INVALID_OPTIONS', problems.join('\n'), {
      hint: 'docs/options.md lists every option with its type and default',
    })
  }
  return assemble(given, input, file)
}

const PATH: Setting = {
  name: 'config',
  group: 'Output',
  type: 'path',
  target: 'start:config',
  help: '',
  value: 'file',
  choices: undefined,
  advanced: false,
}

function pathContext(input: ConfigInput): { folder: string; home: string } {
  return { folder: input.cwd, home: input.home }
}

function find(
  setting: Setting,
  input: ConfigInput,
  file: ConfigFile | undefined,
): GivenValue | undefined {
  const flag = input.flags[setting.name]
  if (flag !== undefined) return { value: flag, origin: flagOf(setting) }
  const name = environmentOf(setting)
  const variable = nonEmpty(input.env[name])
  if (variable !== undefined) return { value: variable, origin: name }
  const key = fileKeyOf(setting)
  if (file === undefined || !file.values.has(key)) return undefined
  return { value: file.values.get(key), origin: file.placeOf(key) }
}

/** Reads and checks one value alone, so that the error can name its source. */
function checkOne(
  setting: Setting,
  found: GivenValue,
  input: ConfigInput,
  given: Map<string, GivenValue>,
): string | undefined {
  if (setting.name === 'swarm' && isSwarmSecret(found.value)) {
    given.set(setting.name, { value: SECRET_SHOWN, origin: found.origin })
    if (found.origin === environmentOf(setting)) return undefined
    return 'a swarm itself is for the environment only; here it takes the path of a file'
  }
  const read = readValue(setting, found.value, pathContext(input))
  if (!read.ok) return `expected ${read.expected}, got ${shown(found.value)}`
  given.set(setting.name, { value: read.value, origin: found.origin })
  const { part, path } = splitTarget(setting)
  if (part === 'start') return undefined
  try {
    const options = nested([[path, read.value]])
    if (part === 'node') parseNodeOptions(options)
    else parseGatewayOptions(options)
    return undefined
  } catch (error) {
    if (!(error instanceof CatalogError)) throw error
    const expected = error.message
      .replace(/^[\w.]+: /, '')
      .replace(/([<>]=?)(\d+)$/m, (_, sign: string, bound: string) => {
        return sign + inUnits(setting, Number(bound))
      })
    return `${expected}, got ${shown(found.value)}`
  }
}

function assemble(
  given: ReadonlyMap<string, GivenValue>,
  input: ConfigInput,
  file: ConfigFile | undefined,
): Config {
  const value = (name: string): unknown => given.get(name)?.value
  const peersOnly = value('peers-only') === true
  const storePath = typeof value('store') === 'string' ? String(value('store')) : input.defaultStore
  const node = { ...optionsFor('node', given) }
  const gateway = { ...optionsFor('gateway', given), ...(peersOnly && { upstream: null }) }
  // Each value is checked already; parsing the whole finds conflicts between values.
  parseNodeOptions(node)
  parseGatewayOptions(gateway)
  return {
    node: { ...node, store: { ...(node.store as NodeOptions['store']), path: storePath } },
    gateway,
    storePath,
    peersOnly,
    logLevel: value('log-level') as LogLevel | undefined,
    json: value('json') === true,
    swarm: swarmPlace(given.get('swarm')?.value, input),
    given,
    file: file?.path,
    warnings: unknownEnvironment(input.env),
  }
}

function swarmPlace(
  value: unknown,
  { env, configFolder, cwd }: ConfigInput,
): SwarmPlace | undefined {
  if (typeof value !== 'string') return usualSwarm(configFolder)
  if (value === SECRET_SHOWN) return { kind: 'secret', text: () => env.CATALOG_SWARM ?? '' }
  return value === resolve(cwd, NO_SWARM) ? undefined : { kind: 'file', path: value }
}

function optionsFor(
  part: 'node' | 'gateway',
  given: ReadonlyMap<string, GivenValue>,
): Record<string, unknown> {
  const entries: [readonly string[], unknown][] = []
  for (const setting of SETTINGS) {
    const target = splitTarget(setting)
    const found = given.get(setting.name)
    if (target.part === part && found !== undefined) entries.push([target.path, found.value])
  }
  return nested(entries)
}

/** [[['network', 'port'], 1]] -> { network: { port: 1 } } */
function nested(entries: readonly (readonly [readonly string[], unknown])[]) {
  const root: Record<string, unknown> = {}
  for (const [path, value] of entries) {
    let place = root
    for (const step of path.slice(0, -1)) {
      place = (place[step] ??= {}) as Record<string, unknown>
    }
    place[path.at(-1) ?? ''] = value
  }
  return root
}

/** `node:network.port` -> part `node`, path [`network`, `port`]. */
export function splitTarget(setting: Setting): { part: string; path: string[] } {
  const [part = '', path = ''] = setting.target.split(':', 2)
  return { part, path: path.split('.') }
}

function unknownKeys(file: ConfigFile | undefined): string[] {
  if (file === undefined) return []
  const known = SETTINGS.map(fileKeyOf)
  return [...file.values.keys()]
    .filter((key) => !known.includes(key) && key !== SCHEMA_KEY)
    .map((key) => `${file.placeOf(key)}: no such setting${suggest(key, known)}`)
}

function unknownEnvironment(env: Environment): string[] {
  const known = SETTINGS.map(environmentOf)
  return Object.keys(env)
    .filter((name) => name.startsWith('CATALOG_') && !OTHER_ENVIRONMENT.has(name))
    .filter((name) => !known.includes(name))
    .map((name) => ({ name, close: nearest(name, known) }))
    .filter(({ close }) => close !== undefined)
    .map(({ name, close }) => `${name}: no such setting; do you mean ${close}?`)
}

function suggest(word: string, known: readonly string[]): string {
  const close = nearest(word, known)
  return close === undefined ? '' : `; do you mean ${close}?`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text
}
