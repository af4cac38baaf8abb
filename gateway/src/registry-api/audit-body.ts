/**
 * The body of an audit as the registry that is asked may see it: without names of packages that belong to another registry, are the
 * network's or are private. Clients send every name of a project to the default registry: in a list (the bulk form), or as the tree of its
 * lockfile (the old forms). Never changes a body that names no such package.
 */
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { CatalogError } from '@catalog-p2p/core'
import { isObject } from '../is-object.ts'

const unzip = promisify(gunzip)
const zip = promisify(gzip)
/** A project of 5,000 packages sends 60 KB, 200 KB unpacked. Read on this thread, so no more. */
const MAX_BODY_BYTES = 512 * 1024
const MAX_UNPACKED_BYTES = 2 * 1024 * 1024

/** How an audit names every package of a project. */
export type AuditForm = 'list' | 'tree'

const FORMS: ReadonlyMap<string, AuditForm> = new Map([
  ['/-/npm/v1/security/advisories/bulk', 'list'],
  ['/-/npm/v1/security/audits', 'tree'],
  ['/-/npm/v1/security/audits/quick', 'tree'],
])
/** Deeper than any tree of packages: what lies below is not looked at, and so not sent. */
const MAX_LEVELS = 200

/** True for the request that names every package of a project, whose body hints are read from. */
export function isBulkAudit(method: string | undefined, url: string | undefined): boolean {
  return auditForm(method, url) === 'list'
}

/** undefined: it is no audit. */
export function auditForm(
  method: string | undefined,
  url: string | undefined,
): AuditForm | undefined {
  return method === 'POST' ? FORMS.get(url?.split('?', 1)[0] ?? '') : undefined
}

/**
 * What of `req`'s body may be sent, coded as it came.
 * @throws CatalogError INVALID_OPTIONS with `status` when it cannot be read: it is not sent unread
 */
export async function readAuditBody(
  req: IncomingMessage,
  form: AuditForm,
  mayName: (name: string) => boolean,
): Promise<Buffer> {
  const body = await readAll(req)
  const coding = req.headers['content-encoding'] ?? 'identity'
  if (coding !== 'gzip' && coding !== 'identity') throw unusable(415, `its coding is ${coding}`)
  const named = await parse(body, coding)
  const allowed = form === 'list' ? withNames(named, mayName) : withoutTrees(named, mayName)
  if (allowed === named) return body
  const text = Buffer.from(JSON.stringify(allowed))
  return coding === 'gzip' ? await zip(text) : text
}

/** The same object where all of its keys may be named. */
function withNames<T extends object>(
  named: T,
  mayName: (name: string) => boolean,
): T | Record<string, unknown> {
  const entries = Object.entries(named)
  const allowed = entries.filter(([name]) => mayName(name))
  return allowed.length === entries.length ? named : Object.fromEntries(allowed)
}

/**
 * Of a project or a package in a lockfile's tree: its own name, what it requires and what lies below it, as far as that may be named. The same
 * object where all of it may.
 */
function withoutTrees(
  node: object,
  mayName: (name: string) => boolean,
  levels = MAX_LEVELS,
): object {
  if (levels === 0) throw unusable(400, 'its tree is too deep')
  const { name, requires, dependencies } = node as Readonly<Record<string, unknown>>
  const changed: Record<string, unknown> = {}
  // npm sends the name of the project itself, too.
  if (typeof name === 'string' && !mayName(name)) changed.name = undefined
  if (isObject(requires)) {
    const allowed = withNames(requires, mayName)
    if (allowed !== requires) changed.requires = allowed
  }
  if (isObject(dependencies)) {
    const allowed = withNames(dependencies, mayName)
    const entries = Object.entries(allowed).map(([each, below]: [string, unknown]) => {
      return [each, isObject(below) ? withoutTrees(below, mayName, levels - 1) : below] as const
    })
    const isSame = allowed === dependencies && entries.every(([key, one]) => one === allowed[key])
    if (!isSame) changed.dependencies = Object.fromEntries(entries)
  }
  return Object.keys(changed).length === 0 ? node : { ...node, ...changed }
}

async function readAll(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.byteLength
    if (size > MAX_BODY_BYTES) throw unusable(413, `it is larger than ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

async function parse(body: Buffer, coding: 'gzip' | 'identity'): Promise<object> {
  let found: unknown
  try {
    const text =
      coding === 'gzip' ? await unzip(body, { maxOutputLength: MAX_UNPACKED_BYTES }) : body
    found = JSON.parse(text.toString('utf8'))
  } catch {
    throw unusable(400, 'it cannot be read')
  }
  if (isObject(found)) return found
  throw unusable(400, 'it is no list of packages')
}

function unusable(status: number, why: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `the body of an audit: ${why}`, { status })
}
