/**
 * The config file: YAML or JSON, found in the platform's config folder or named by --config or CATALOG_CONFIG. Read
 * and flattened to the settings' file keys; what the values mean is resolve.ts's business. Never written by us.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import envPaths from 'env-paths'
import { isNode, LineCounter, parseDocument, type Document } from 'yaml'
import { CatalogError } from '@catalog-p2p/core'
import { requireRegularFile } from '../regular-file.ts'

const NAMES = ['config.yaml', 'config.yml', 'config.json']
const MAX_BYTES = 1024 * 1024
const MAX_DEPTH = 8

export interface ConfigFile {
  readonly path: string
  /** `network.family` -> value, as the file has it. */
  readonly values: ReadonlyMap<string, unknown>
  /** `file:line: network.family`, for messages; without the line where it is not known. */
  placeOf(key: string): string
}

/** Where the config file and the state of `catalog use` live. */
export function defaultConfigFolder(): string {
  return envPaths('catalog-p2p', { suffix: '' }).config
}

/** @throws CatalogError INVALID_OPTIONS when it can't be read, is no YAML or JSON, or there are two */
export function readConfigFile(named: string | undefined, folder: string): ConfigFile | undefined {
  const path = named ?? findConfigFile(folder)
  if (path === undefined) return undefined
  const lines = new LineCounter()
  const document = parse(path, readText(path), lines)
  const values = new Map<string, unknown>()
  const value = document.toJS({ maxAliasCount: 100 }) as unknown
  flatten({ value, prefix: '', depth: 0 }, values, path)
  return { path, values, placeOf: (key) => `${path}${lineOf(document, key, lines)}: ${key}` }
}

/** @throws CatalogError INVALID_OPTIONS when there are two */
export function findConfigFile(folder: string): string | undefined {
  const found = NAMES.map((name) => join(folder, name)).filter(isFile)
  if (found.length > 1) {
    throw new CatalogError('INVALID_OPTIONS', `several config files: ${found.join(', ')}`, {
      hint: 'keep one of them',
    })
  }
  return found[0]
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

function readText(path: string): string {
  try {
    const stats = statSync(path)
    requireRegularFile(path, stats)
    const { size } = stats
    if (size > MAX_BYTES) throw new CatalogError('INVALID_OPTIONS', `${path}: larger than 1 MiB`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof CatalogError) throw error
    throw new CatalogError('INVALID_OPTIONS', `${path}: can't be read`, {
      ...{ cause: error, hint: '"catalog config init FILE" writes one to begin with' },
    })
  }
}

// JSON is YAML, too, so one parser gives both their line numbers.
function parse(path: string, text: string, lineCounter: LineCounter): Document {
  const options = { prettyErrors: true, lineCounter }
  const document = parseDocument(text.replace(/^\uFEFF/, ''), options)
  const problem = document.errors[0]
  if (problem !== undefined) {
    const line = problem.message.split('\n', 1)[0]?.replace(/:$/, '')
    throw new CatalogError('INVALID_OPTIONS', `${path}: ${line}`)
  }
  return document
}

/** `:12`; empty for what comes by an alias. */
function lineOf(document: Document, key: string, lines: LineCounter): string {
  const node = document.getIn(key.split('.'), true) ?? document.getIn([key], true)
  const at = isNode(node) ? node.range?.[0] : undefined
  return at === undefined ? '' : `:${lines.linePos(at).line}`
}

interface Part {
  readonly value: unknown
  readonly prefix: string
  readonly depth: number
}

function flatten(part: Part, into: Map<string, unknown>, path: string): void {
  const { value, prefix, depth } = part
  if (value === null || value === undefined) return // `port:` with nothing behind it: not set
  if (typeof value !== 'object' || Array.isArray(value)) {
    if (prefix === '') {
      throw new CatalogError('INVALID_OPTIONS', `${path}: expected "name: value" lines`)
    }
    into.set(prefix, value)
    return
  }
  if (depth > MAX_DEPTH) throw new CatalogError('INVALID_OPTIONS', `${path}: nested too deep`)
  for (const [key, inner] of Object.entries(value)) {
    const name = prefix === '' ? key : `${prefix}.${key}`
    flatten({ value: inner, prefix: name, depth: depth + 1 }, into, path)
  }
}
