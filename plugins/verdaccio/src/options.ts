/**
 * The plugin's section of Verdaccio's config.yaml: every setting with its default, and the check that reports all mistakes at
 * once. Defaults stand nowhere else in the code; README.md has the same table.
 */
import { dirname, join, resolve } from 'node:path'
import { z } from 'zod'
import type { NodeOptions } from '@catalog-p2p/core'
import { isObject } from './verdaccio.ts'

const GiB = 1024 ** 3
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KB: 1000,
  KIB: 1024,
  MB: 1000 ** 2,
  MIB: 1024 ** 2,
  GB: 1000 ** 3,
  GIB: GiB,
  TB: 1000 ** 4,
  TIB: 1024 ** 4,
}

const size = z
  .union([z.number(), z.string()], 'must be a size like 20GB, 512MiB or 65536')
  .transform(toBytes)
  .pipe(
    z
      .number('must be a size like 20GB, 512MiB or 65536')
      .int('must be a whole number of bytes')
      .nonnegative('must not be negative'),
  )
const pattern = z
  .string()
  .regex(
    /^(@[^/\s@]+\/[^/\s]+|[^/\s@]+)$/,
    'must be a name or pattern like left-pad, @acme/* or acme-*',
  )
/** A list; YAML reads a key whose values are all commented out as null. */
const listOf = (item: z.ZodType<string>) =>
  z
    .array(item)
    .nullish()
    .transform((list) => list ?? [])
const timeMs = z.number().int().min(1).max(3_600_000)

const schema = z.strictObject({
  enabled: z.boolean().default(true),
  /**
   * `node`: a peer-to-peer node in Verdaccio's process. `daemon`: the catalog daemon of this machine, over HTTP. `verify`: no
   * peers, integrity only.
   */
  mode: z.enum(['node', 'daemon', 'verify']).default('node'),
  /** The daemon's URL, in mode `daemon`. */
  daemon: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .default('http://127.0.0.1:4874/'),
  /** The node's folder, relative to config.yaml; undefined: `.catalog-p2p` in Verdaccio's storage. */
  store: z.string().min(1).optional(),
  /** Bytes that the store may hold; the least recently used artifacts are evicted. */
  quota: size.default(20 * GiB),
  /** Options of the node, as in docs/options.md; checked when it starts. */
  network: z.record(z.string(), z.unknown()).nullish(),
  transfer: z.record(z.string(), z.unknown()).nullish(),

  /** Packages that peers may get although they are private: published here, restricted, or fetched with credentials. */
  seed: listOf(pattern),
  /** Packages that peers never hear of, whatever else would make them public. */
  private: listOf(pattern),
  /** Uplinks whose packages count as public; undefined: every uplink without credentials. */
  uplinks: z.array(z.string().min(1)).nullish(),
  /** Seed what the storage already holds, in the background. */
  seedExisting: z.boolean().default(true),
  /** Most tarballs of the storage that are read per second. */
  seedExistingPerSecond: z.number().min(0.1).max(10_000).default(20),

  /** /-/catalog/status and metrics: numbers only, also addresses of this node and its peers, or neither route. */
  status: z.enum(['summary', 'full', 'off']).default('summary'),
  /** Deadline for the head of the daemon's answer; then the uplink is asked. */
  daemonTimeoutMs: timeMs.default(10_000),
  /** A source that sends nothing for this long has failed. */
  silenceMs: timeMs.default(60_000),
  /** A client that takes nothing for this long is given up. */
  stallMs: timeMs.default(120_000),
})

/** The test of README.md compares its table with this. */
export const SETTINGS: readonly string[] = Object.keys(schema.shape)

export type PluginOptions = Omit<
  z.output<typeof schema>,
  'store' | 'network' | 'transfer' | 'uplinks'
> & {
  readonly uplinks: readonly string[] | undefined
  readonly node: NodeOptions
}

export type ParsedOptions =
  | { readonly ok: true; readonly options: PluginOptions }
  | { readonly ok: false; readonly problems: readonly string[] }

export interface ConfigPaths {
  /** The folder of config.yaml. */
  readonly folder: string
  /** Verdaccio's storage, if it is a folder. */
  readonly storage: string | undefined
}

export function parseOptions(section: unknown, paths: ConfigPaths): ParsedOptions {
  const parsed = schema.safeParse(section ?? {})
  const given = isObject(section) ? section : {}
  const problems = [
    ...(parsed.error?.issues.map(problemOf) ?? []),
    ...uselessSettings(schema.shape.mode.safeParse(given['mode']).data ?? 'node', given),
  ]
  if (!parsed.success || problems.length > 0) return { ok: false, problems }
  const { store, network, transfer, uplinks, ...rest } = parsed.data
  const path = store === undefined ? defaultStore(paths) : resolve(paths.folder, store)
  // Not checked yet: the node's own schema reports the mistakes in them.
  const node = {
    network: withoutNulls(network),
    transfer: withoutNulls(transfer),
    store: { path, quotaBytes: rest.quota },
  } as NodeOptions
  return { ok: true, options: { ...rest, uplinks: uplinks ?? undefined, node } }
}

/** The section under `middlewares:`, by the name that Verdaccio loaded the plugin by. */
export function sectionOf(config: unknown): unknown {
  const middlewares = isObject(config) ? config['middlewares'] : undefined
  if (!isObject(middlewares)) return undefined
  const key = Object.keys(middlewares).find((each) => /(^|[-/])catalog-p2p$/.test(each))
  return key === undefined ? undefined : middlewares[key]
}

/** The folders that Verdaccio's relative paths start from. */
export function configPathsOf(config: unknown): ConfigPaths {
  const fields = isObject(config) ? config : {}
  const file = [fields['configPath'], fields['self_path']].find((each) => typeof each === 'string')
  const folder = file === undefined ? process.cwd() : dirname(file)
  const { storage } = fields
  return {
    folder,
    storage: typeof storage === 'string' ? resolve(folder, storage) : undefined,
  }
}

// Verdaccio takes every folder of its storage for a package, unless its name begins with a dot.
function defaultStore({ folder, storage }: ConfigPaths): string {
  return join(storage ?? folder, '.catalog-p2p')
}

/** YAML reads a key without a value as null. */
function withoutNulls(section: Readonly<Record<string, unknown>> | null | undefined): object {
  const entries = Object.entries(section ?? {})
  return Object.fromEntries(entries.filter(([, value]) => value !== null))
}

/** Settings that only a node in Verdaccio's process uses. */
const NODE_ONLY = ['store', 'quota', 'network', 'transfer'] as const
const SEEDING = ['seed', 'seedExisting', 'seedExistingPerSecond'] as const

/** Settings without effect in this mode are mistakes: their author expects one. */
function uselessSettings(mode: string, given: Readonly<Record<string, unknown>>): string[] {
  if (mode === 'node') return []
  const isSet = (name: string): boolean => {
    const value = given[name]
    const isOff = value === undefined || value === null || value === false
    return !isOff && !(Array.isArray(value) && value.length === 0)
  }
  const problems = NODE_ONLY.filter(isSet).map(
    (name) => `${name}: has no meaning with mode: ${mode}, which starts no node`,
  )
  // The daemon offers only what it fetched itself: how its registry served it shows that it is public.
  const why =
    mode === 'daemon'
      ? 'the daemon seeds what it fetches itself, and takes no files'
      : 'there is no node to seed with'
  for (const name of SEEDING.filter(isSet)) {
    problems.push(`${name}: needs mode: node (with mode: ${mode}, ${why})`)
  }
  return problems
}

function problemOf(issue: z.core.$ZodIssue): string {
  const path = issue.path.join('.') || 'catalog-p2p'
  if (issue.code === 'unrecognized_keys') {
    return `${issue.keys.join(', ')}: no such setting; there are ${SETTINGS.join(', ')}`
  }
  return `${path}: ${issue.message}`
}

function toBytes(given: number | string): number {
  if (typeof given === 'number') return given
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(given)
  const unit = UNITS[(match?.[2] ?? '').toUpperCase()]
  return match === null || unit === undefined ? Number.NaN : Math.round(Number(match[1]) * unit)
}
