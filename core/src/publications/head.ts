/**
 * A head: what a publisher says of one package now. Signed as a whole, counted up with every change, and naming the head before it.
 * The highest sequence number counts; two heads of one number are a fork, which no honest publisher makes. Pure: bytes and
 * their bounds. docs/protocol.md, section Heads
 */
import { z } from 'zod'
import { isPackageName, isPackageVersion } from '../content/asset-id.ts'
import {
  DIGEST_BYTES,
  digestFromBytes,
  digestOf,
  digestToBytes,
  type Digest,
} from '../content/digest.ts'
import { CatalogError } from '../errors.ts'
import type { HybridKey } from '../signing/hybrid-key.ts'
import type { CanonicalValue } from '../signing/canonical.ts'
import { claimedSigner, openStatement, signStatement } from '../signing/statement.ts'
import type { PublishedName } from './head-key.ts'

export const HEAD_TYPE = 'catalog/head/1'
export const MAX_HEAD_BYTES = 1024 * 1024
const MAX_VERSIONS = 5_000
const MAX_TAGS = 1_000
const MAX_DEPRECATION = 1_000
const TAG = /^[a-z][\w.~-]{0,127}$/i

/** One version of a head. */
export interface HeadRelease {
  /** Of the release's own bytes, the signed statement; the tarball's digest stands in it. */
  readonly statement: Digest
  /** Why not to use it any more. */
  readonly deprecated?: string
}

export interface HeadFields {
  readonly name: string
  /** From 1. */
  readonly sequence: number
  /** Digest of the head before this one, as it was signed; undefined for the first. */
  readonly previous: Digest | undefined
  /** Milliseconds since the Unix epoch, by the publisher's clock. */
  readonly changedAtMs: number
  readonly releases: ReadonlyMap<string, HeadRelease>
  /** To versions that are among the releases. */
  readonly tags: ReadonlyMap<string, string>
  /** Versions that were withdrawn and never come back. */
  readonly unpublished: readonly string[]
}

export interface Head extends HeadFields, PublishedName {
  /** Of its own bytes: what the next head names as the one before. */
  readonly digest: Digest
}

const digestBytes = z.instanceof(Uint8Array).refine((each) => each.byteLength === DIGEST_BYTES)
const version = z.string().refine(isPackageVersion, 'not a version')

const bodySchema = z.strictObject({
  name: z.string().refine(isPackageName, 'not a package name'),
  sequence: z.int().positive(),
  previous: digestBytes.nullable(),
  time: z.int().nonnegative(),
  releases: z.record(
    version,
    z.strictObject({
      statement: digestBytes,
      deprecated: z.string().min(1).max(MAX_DEPRECATION).optional(),
    }),
  ),
  tags: z.record(z.string().regex(TAG), version),
  unpublished: z.array(version),
})

const nameSchema = z.object({ name: bodySchema.shape.name })

type Body = z.output<typeof bodySchema>

/** @throws CatalogError INVALID_STATEMENT for fields that nobody would accept: it is not signed then */
export function signHead(fields: HeadFields, key: HybridKey): Uint8Array {
  const statement = signStatement({ type: HEAD_TYPE, body: toBody(fields) }, key)
  openHead(statement)
  return statement
}

/** Verified to be its signer's; whether that key may publish the name is another question. @throws CatalogError INVALID_STATEMENT */
export function openHead(statement: Uint8Array): Head {
  const expected = { type: HEAD_TYPE, maxBytes: MAX_HEAD_BYTES }
  const { body, signer } = openStatement(statement, expected)
  const parsed = bodySchema.safeParse(body)
  if (!parsed.success) throw refused(parsed.error.issues[0]?.message ?? 'its fields')
  const problem = problemOf(parsed.data)
  if (problem !== undefined) throw refused(problem)
  const { name, sequence, previous, time, releases, tags, unpublished } = parsed.data
  return {
    ...{ name, sequence, unpublished, publisher: signer, changedAtMs: time },
    digest: digestOf(statement),
    previous: previous === null ? undefined : digestFromBytes(previous),
    releases: new Map(
      Object.entries(releases).map(([key, { statement: bytes, deprecated }]) => [
        key,
        { statement: digestFromBytes(bytes), ...(deprecated !== undefined && { deprecated }) },
      ]),
    ),
    tags: new Map(Object.entries(tags)),
  }
}

/** Whose head of which package it says it is, before anything is verified. @throws CatalogError INVALID_STATEMENT */
export function claimedHeadName(statement: Uint8Array): PublishedName {
  const expected = { type: HEAD_TYPE, maxBytes: MAX_HEAD_BYTES }
  const publisher = claimedSigner(statement, expected)
  const { body } = openStatement(statement, { ...expected, vouchedBy: publisher })
  const parsed = nameSchema.safeParse(body)
  if (!parsed.success) throw refused('its name')
  return { name: parsed.data.name, publisher }
}

function problemOf({ sequence, previous, releases, tags, unpublished }: Body): string | undefined {
  const versions = Object.keys(releases)
  if (versions.length + unpublished.length > MAX_VERSIONS) return `over ${MAX_VERSIONS} versions`
  if (Object.keys(tags).length > MAX_TAGS) return `over ${MAX_TAGS} tags`
  if ((sequence === 1) !== (previous === null)) return 'only the first head has none before it'
  const there = new Set(versions)
  const dangling = Object.entries(tags).find(([, tagged]) => !there.has(tagged))
  if (dangling !== undefined) return `the tag ${dangling[0]} names a version that it has not`
  const back = unpublished.find((each) => there.has(each))
  return back === undefined ? undefined : `${back} was unpublished, and is there`
}

function toBody(fields: HeadFields): CanonicalValue {
  const { name, sequence, previous, changedAtMs, releases, tags, unpublished } = fields
  return {
    ...{ name, sequence, time: changedAtMs, unpublished: [...unpublished] },
    previous: previous === undefined ? null : toBytes(previous),
    releases: Object.fromEntries(
      [...releases].map(([key, { statement, deprecated }]) => [
        key,
        { statement: toBytes(statement), ...(deprecated !== undefined && { deprecated }) },
      ]),
    ),
    tags: Object.fromEntries(tags),
  }
}

const toBytes = (digest: Digest): Uint8Array => Uint8Array.from(digestToBytes(digest))

function refused(what: string): CatalogError {
  return new CatalogError('INVALID_STATEMENT', `a head is refused: ${what}`)
}
