/**
 * The plugin's section of Verdaccio's config.yaml: every knob with its default, the only place with defaults, and what is
 * wrong with what was written, all of it at once. README.md has the same table.
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
/** YAML has nothing after a key whose values are all commented out. */
const listed = (item: z.ZodType<string>) =>
  z
    .array(item)
    .nullish()
    .transform((list) => list ?? [])
const timeMs = z.number().int().min(1).max(3_600_000)

const schema = z.strictObject({
  enabled: z.boolean().default(true),
  /**
   * `node`: a peer-to-peer node in Verdaccio's own process. `daemon`: the one that runs on this machine, over HTTP.
   * `verify`: no peers, integrity only.
   */
  mode: z.enum(['node', 'daemon', 'verify']).default('node'),
  /** Where the daemon answers, in mode `daemon`. */
  daemon: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .default('http://127.0.0.1:4874/'),
  /** The node's own folder, relative to config.yaml; undefined: `.catalog-p2p` in Verdaccio's storage. */
  store: z.string().min(1).optional(),
  /** The store's size, at most; least recently used artifacts make room. */
  quota: size.default(20 * GiB),
  /** Of the node, as in docs/options.md; checked when it starts. */
  network: z.record(z.string(), z.unknown()).nullish(),
  transfer: z.record(z.string(), z.unknown()).nullish(),

  /** Packages that peers may have although they are private here: published here, restricted, or fetched with credentials. */
  seed: listed(pattern),
  /** Packages that peers never hear of, whatever else would make them public. */
  private: listed(pattern),
  /** Uplinks whose packages count as public; undefined: every uplink without credentials. */
  uplinks: z.array(z.string().min(1)).nullish(),
  /** Seed what the storage holds already, in the background, from the start on. */
  seedExisting: z.boolean().default(true),
  /** Tarballs of it that are read a second, at most. */
  seedExistingPerSecond: z.number().min(0.1).max(10_000).default(20),

  /** /-/catalog/status and metrics: numbers only, with addresses of this node and its peers, or not at all. */
  status: z.enum(['summary', 'full', 'off']).default('summary'),
  /** The daemon must have begun to answer within this, or the uplink is asked. */
  daemonTimeoutMs: timeMs.default(10_000),
  /** A source that sends nothing for this long has failed. */
  silenceMs: timeMs.default(60_000),
  /** A client that takes nothing for this long is given up. */
  stallMs: timeMs.default(120_000),
})

/** For the README to be compared with. */
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

/** `folder` is where config.yaml lies, `storage` what Verdaccio stores in, if it is a folder. */
export function parseOptions(
  section: unknown,
  place: { readonly folder: string; readonly storage: string | undefined },
): ParsedOptions {
  const parsed = schema.safeParse(section ?? {})
  const given = isObject(section) ? section : {}
  const problems = [
    ...(parsed.error?.issues.map(problemOf) ?? []),
    ...uselessSettings(schema.shape.mode.safeParse(given['mode']).data ?? 'node', given),
  ]
  if (!parsed.success || problems.length > 0) return { ok: false, problems }
  const { store, network, transfer, uplinks, ...rest } = parsed.data
  const path = store === undefined ? defaultStore(place) : resolve(place.folder, store)
  // Not of the right type yet: the node's own schema says what is wrong with them.
  const node = {
    network: written(network),
    transfer: written(transfer),
    store: { path, quotaBytes: rest.quota },
  } as NodeOptions
  return { ok: true, options: { ...rest, uplinks: uplinks ?? undefined, node } }
}

/** The section under `middlewares:`, by the name Verdaccio loaded the plugin by. */
export function sectionOf(config: unknown): unknown {
  const middlewares = isObject(config) ? config['middlewares'] : undefined
  if (!isObject(middlewares)) return undefined
  const key = Object.keys(middlewares).find((each) => /(^|[-/])catalog-p2p$/.test(each))
  return key === undefined ? undefined : middlewares[key]
}

/** Where Verdaccio's own relative paths start. */
export function placeOf(config: unknown): { folder: string; storage: string | undefined } {
  const fields = isObject(config) ? config : {}
  const file = [fields['configPath'], fields['self_path']].find((each) => typeof each === 'string')
  const folder = file === undefined ? process.cwd() : dirname(file)
  const { storage } = fields
  return {
    folder,
    storage: typeof storage === 'string' ? resolve(folder, storage) : undefined,
  }
}

// A dot in front: Verdaccio lists the other folders of its storage as packages.
function defaultStore({
  folder,
  storage,
}: {
  folder: string
  storage: string | undefined
}): string {
  return join(storage ?? folder, '.catalog-p2p')
}

/** Without the keys that have nothing behind them, as YAML allows it. */
function written(section: Readonly<Record<string, unknown>> | null | undefined): object {
  const entries = Object.entries(section ?? {})
  return Object.fromEntries(entries.filter(([, value]) => value !== null))
}

/** What only a node in Verdaccio's own process can do. */
const NODE_ONLY = ['store', 'quota', 'network', 'transfer'] as const
const SEEDING = ['seed', 'seedExisting', 'seedExistingPerSecond'] as const

/** Settings that would do nothing are mistakes: their author believes they do something. */
function uselessSettings(mode: string, given: Readonly<Record<string, unknown>>): string[] {
  if (mode === 'node') return []
  const isWritten = (name: string): boolean => {
    const value = given[name]
    const isNothing = value === undefined || value === null || value === false
    return !isNothing && !(Array.isArray(value) && value.length === 0)
  }
  const problems = NODE_ONLY.filter(isWritten).map(
    (name) => `${name}: has no meaning with mode: ${mode}, which starts no node`,
  )
  // The daemon offers what it has fetched itself, because only so it knows what is public.
  const why =
    mode === 'daemon'
      ? 'the daemon seeds what it fetches itself, and takes no files'
      : 'there is no node to seed with'
  for (const name of SEEDING.filter(isWritten)) {
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
