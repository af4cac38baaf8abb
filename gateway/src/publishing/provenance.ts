/**
 * The provenance of a version: what a build service has signed about how it was built (a Sigstore bundle), as `npm publish --provenance`
 * attaches it. It is kept in what the publisher signs, and shown where clients look for it. Whether it holds is for them to check (`npm
 * audit signatures`), since trusting a build service is no matter of ours; that it is of these very bytes is checked here, before it is
 * kept and before a client gets it: another machine may have kept it. Whoever lists versions does not open it.
 * https://github.com/npm/provenance, https://docs.sigstore.dev/about/bundle/. Pure.
 */
import { z } from 'zod'
import { CatalogError, type Digest, type Release } from '@catalog-p2p/core'

/** In a release's manifest, beside package.json's own fields: none of those begins so. */
export const PROVENANCE_FIELD = '_provenance'
/** With the fields of package.json it must fit into a release. */
const MAX_BYTES = 40_000

/** As it is kept, and as clients are sent it; it was signed by whoever is trusted for the package. */
const provenanceSchema = z.object({ predicateType: z.string(), bundle: z.looseObject({}) })
const bundleSchema = z.looseObject({
  mediaType: z.string(),
  dsseEnvelope: z.looseObject({ payload: z.base64() }),
})
const statementSchema = z.looseObject({
  predicateType: z.url(),
  subject: z.array(z.looseObject({ digest: z.looseObject({ sha512: z.hex() }) })).min(1),
})

export type Provenance = Readonly<z.output<typeof provenanceSchema>>

/** @param text of the attachment. @throws CatalogError INVALID_OPTIONS unless it is a bundle about these bytes */
export function parseProvenance(text: string, digest: Digest): Provenance {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw refused(`its provenance has more than ${MAX_BYTES} bytes`)
  }
  const opened = openBundle(parsed(text))
  if (opened === undefined) throw refused('its provenance is no Sigstore bundle')
  const { provenance, sha512 } = opened
  if (!sha512.includes(sha512Of(digest))) throw refused('its provenance is of other bytes')
  return provenance
}

/** Of a release, whoever has signed it; undefined unless it is a bundle about its bytes. @param release its manifest was checked to be an object */
export function provenanceOf({
  manifest,
  digest,
}: Pick<Release, 'manifest' | 'digest'>): Provenance | undefined {
  const opened = openBundle(splitManifest(manifest).provenance?.bundle)
  return opened?.sha512.includes(sha512Of(digest)) ? opened.provenance : undefined
}

/** @param manifest of a release, which was checked to be an object. `provenance`: undefined where the version has none */
export function splitManifest(manifest: string): {
  readonly fields: object
  readonly provenance: Provenance | undefined
} {
  const all = Object.entries(JSON.parse(manifest) as object) as [string, unknown][]
  const [, provenance] = all.find(([field]) => field === PROVENANCE_FIELD) ?? []
  return {
    fields: Object.fromEntries(all.filter(([field]) => field !== PROVENANCE_FIELD)),
    provenance: provenanceSchema.safeParse(provenance).data,
  }
}

/** With the bytes that it is about, in lower-case hex; undefined for what is no bundle. */
function openBundle(
  value: unknown,
): { readonly provenance: Provenance; readonly sha512: readonly string[] } | undefined {
  const bundle = bundleSchema.safeParse(value).data
  if (bundle === undefined) return undefined
  const payload = Buffer.from(bundle.dsseEnvelope.payload, 'base64').toString()
  const statement = statementSchema.safeParse(parsed(payload)).data
  if (statement === undefined) return undefined
  const { predicateType, subject } = statement
  const sha512 = subject.map(({ digest }) => digest.sha512.toLowerCase())
  return { provenance: { predicateType, bundle }, sha512 }
}

function sha512Of(digest: Digest): string {
  return Buffer.from(digest.slice('sha512-'.length), 'base64').toString('hex')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function refused(why: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `nothing was published: ${why}`)
}
