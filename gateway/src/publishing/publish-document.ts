/**
 * What `npm publish` sends: a document with one version and its tarball inside. Checked before anything is kept: that there is
 * one version, that the tarball is what the document says it is, and that the package.json in it is of that version. The form is npm's
 * (libnpmpublish); pnpm, Yarn and Bun send the same.
 */
import { z } from 'zod'
import { CatalogError, digestOf, findDigest } from '@catalog-p2p/core'
import { parseBody } from '../http/json-body.ts'
import { readTarballManifest } from '../packuments/peers/tarball-manifest.ts'
import { parseProvenance, PROVENANCE_FIELD } from './provenance.ts'

const versionSchema = z.looseObject({
  name: z.string(),
  version: z.string(),
  deprecated: z.union([z.string(), z.boolean()]).optional(),
  dist: z.looseObject({ integrity: z.string().optional() }).optional(),
})
const schema = z.looseObject({
  // Owners and stars come as a document that has neither a name nor versions.
  name: z.string().optional(),
  _rev: z.string().optional(),
  versions: z.record(z.string(), versionSchema).optional(),
  'dist-tags': z.record(z.string(), z.string()).default({}),
  _attachments: z.record(z.string(), z.looseObject({ data: z.string() })).optional(),
})

export type PackageDocument = z.output<typeof schema>

export interface NewVersion {
  readonly name: string
  readonly version: string
  readonly tarball: Buffer
  /** JSON. */
  readonly manifest: string
  readonly tags: readonly string[]
}

/** What a registry adds, or shows elsewhere: none of it is package.json's. */
const LEFT_OUT = new Set(['dist', 'readme', 'readmeFilename', 'gitHead', 'deprecated'])

/** @throws CatalogError INVALID_OPTIONS */
export function parseDocument(body: unknown, name: string): PackageDocument {
  const document = parseBody(schema, body)
  const { name: said = name } = document
  if (said === name) return document
  throw refused(`the document is of ${said}, and was sent for ${name}`)
}

/** @throws CatalogError INVALID_OPTIONS */
export async function newVersionOf(document: PackageDocument): Promise<NewVersion> {
  const { name, versions = {}, 'dist-tags': tags, _attachments = {} } = document
  const [[version, said] = [], ...others] = Object.entries(versions)
  const attached = Object.entries(_attachments).filter(([file]) => file.endsWith('.tgz'))
  const [tarball] = attached.map(([, { data }]) => fromBase64(data))
  if (name === undefined || version === undefined || said === undefined || others.length > 0) {
    throw refused('one version at a time is published')
  }
  if (tarball === undefined || attached.length > 1) throw refused('there is not one tarball in it')
  if (said.name !== name || said.version !== version) {
    throw refused(`its version ${version} says it is ${said.name}@${said.version}`)
  }
  const expected = findDigest(said.dist?.integrity ?? '')
  if (expected !== undefined && expected !== digestOf(tarball)) {
    throw refused('the tarball is not what dist.integrity says')
  }
  await checkTarball(tarball, { name, version })
  const kept: [string, unknown][] = Object.entries(said).filter(
    ([field]) => !LEFT_OUT.has(field) && !/^_(?!hasShrinkwrap)/.test(field),
  )
  const [bundle] = Object.entries(_attachments).filter(([file]) => file.endsWith('.sigstore'))
  if (bundle !== undefined) {
    kept.push([PROVENANCE_FIELD, parseProvenance(bundle[1].data, digestOf(tarball))])
  }
  const tagged = Object.entries(tags).filter(([, each]) => each === version)
  return {
    ...{ name, version, tarball, manifest: JSON.stringify(Object.fromEntries(kept)) },
    tags: tagged.map(([tag]) => tag),
  }
}

/** @throws CatalogError INVALID_OPTIONS when it can't be read, or is of another version */
async function checkTarball(
  tarball: Buffer,
  { name, version }: { readonly name: string; readonly version: string },
): Promise<void> {
  try {
    const own = JSON.parse((await readTarballManifest(tarball)).packageJson) as {
      name?: unknown
      version?: unknown
    }
    if (own.name === name && own.version === version) return
    throw refused(
      `the package.json in the tarball is of ${String(own.name)}@${String(own.version)}`,
    )
  } catch (error) {
    if (error instanceof CatalogError) throw error
    throw refused(`its tarball cannot be read: ${error instanceof Error ? error.message : ''}`)
  }
}

function fromBase64(data: string): Buffer {
  if (z.base64().safeParse(data).success) return Buffer.from(data, 'base64')
  throw refused('its tarball is not in base64')
}

function refused(why: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `nothing was published: ${why}`)
}
