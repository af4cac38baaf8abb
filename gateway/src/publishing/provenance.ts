/**
 * The provenance of a version: what a build service has signed about how it was built (a Sigstore bundle), as `npm publish --provenance`
 * attaches it. It is kept in what the publisher signs, and shown where clients look for it. Whether it holds is for them to check (`npm
 * audit signatures`), since trusting a build service is no matter of ours; that it is of these very bytes is checked here, before it is
 * kept, with what kind it is: whoever lists versions does not open it.
 * https://github.com/npm/provenance, https://docs.sigstore.dev/about/bundle/. Pure.
 */
import { z } from 'zod'
import { CatalogError, type Digest } from '@catalog-p2p/core'

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
  const bundle = bundleSchema.safeParse(parsed(text)).data
  const statement = bundle && statementOf(bundle)
  if (bundle === undefined || statement === undefined)
    throw refused('its provenance is no Sigstore bundle')
  const sha512 = Buffer.from(digest.slice('sha512-'.length), 'base64').toString('hex')
  const { predicateType, subject } = statement
  const isOfThese = subject.some((each) => each.digest.sha512.toLowerCase() === sha512)
  if (!isOfThese) throw refused('its provenance is of other bytes')
  return { predicateType, bundle }
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

function statementOf({ dsseEnvelope }: z.output<typeof bundleSchema>) {
  const payload = Buffer.from(dsseEnvelope.payload, 'base64').toString()
  return statementSchema.safeParse(parsed(payload)).data
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
