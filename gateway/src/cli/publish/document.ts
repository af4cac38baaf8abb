/** The document that npm's publish would send for a tarball (libnpmpublish): its package.json, and the archive itself. */
import semver from 'semver'
import { z } from 'zod'
import { CatalogError, digestOf } from '@catalog-p2p/core'
import { readTarballManifest } from '../../packuments/peers/tarball-manifest.ts'

const manifestSchema = z.looseObject({
  name: z.string(),
  version: z.string(),
  private: z.unknown().optional(),
  publishConfig: z.looseObject({ tag: z.string().optional().catch(undefined) }).optional(),
})

/** @param wantedTag undefined: what package.json says, else latest. @throws CatalogError INVALID_OPTIONS */
export async function documentOf(tarball: Buffer, wantedTag: string | undefined): Promise<object> {
  const manifest = await manifestIn(tarball)
  const { name, version } = manifest
  if (manifest.private !== undefined && manifest.private !== false) {
    throw refused(`${name}: its package.json says that it is private`)
  }
  const tag = wantedTag ?? manifest.publishConfig?.tag
  if (tag === undefined && semver.prerelease(version) !== null) {
    throw refused(`${name}@${version} is a prerelease: say which tag it gets, with --tag`)
  }
  const file = `${name}-${version}.tgz`
  const data = tarball.toString('base64')
  return {
    ...{ _id: name, name, 'dist-tags': { [tag ?? 'latest']: version } },
    versions: {
      [version]: { ...manifest, dist: { integrity: digestOf(tarball) } },
    },
    _attachments: {
      [file]: { content_type: 'application/octet-stream', data, length: tarball.byteLength },
    },
  }
}

async function manifestIn(tarball: Buffer): Promise<z.output<typeof manifestSchema>> {
  try {
    return manifestSchema.parse(JSON.parse((await readTarballManifest(tarball)).packageJson))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw refused(`the archive is no package: ${why}`)
  }
}

function refused(why: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `nothing was published: ${why}`)
}
