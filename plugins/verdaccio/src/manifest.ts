/**
 * What Verdaccio's own copy of a package's metadata says about one tarball. The document came from an uplink, so nothing in
 * it is taken on trust but looked at field by field. Pure.
 */
import { expectedOf, type Expected } from './integrity.ts'
import { isObject } from './verdaccio.ts'

export interface TarballRecord {
  /** `name@version`, or `name (file)` when no version names the file: for people. */
  readonly label: string
  readonly expected: Expected | undefined
  /** An uplink has told of a file of this name, once; Verdaccio keeps that when the version is unpublished. */
  readonly isRecorded: boolean
  /** It came, or would come, from an uplink: the version is the one that the uplink told of. Else it may be published here. */
  readonly isProxied: boolean
  /** The uplink on record for it. */
  readonly uplink: string | undefined
}

/** The record of a file; its hashes are those of the version whose `dist.tarball` ends in it. */
export function tarballRecord(manifest: unknown, name: string, filename: string): TarballRecord {
  const distFile = own(own(manifest, '_distfiles'), filename)
  const [version, dist] = distOf(manifest, name, filename)
  const registry = own(distFile, 'registry')
  const [told, shasum] = [own(distFile, 'sha'), own(dist, 'shasum')]
  return {
    label: version === undefined ? `${name} (${filename})` : `${name}@${version}`,
    expected: expectedOf(own(dist, 'integrity'), shasum ?? told),
    isRecorded: distFile !== undefined,
    isProxied: typeof told === 'string' && told !== '' && told === shasum,
    uplink: typeof registry === 'string' ? registry : undefined,
  }
}

/** Files of the package that Verdaccio says it has. */
export function storedFiles(manifest: unknown): readonly string[] {
  const attachments = own(manifest, '_attachments')
  return isObject(attachments) ? Object.keys(attachments) : []
}

/** Files of the package that are stored here, or that an uplink has told of. */
export function knownFiles(manifest: unknown): readonly string[] {
  const recorded = own(manifest, '_distfiles')
  const names = isObject(recorded) ? Object.keys(recorded) : []
  return [...new Set([...storedFiles(manifest), ...names])]
}

/** True when Verdaccio hashed the file, as it stored it, to what its version says. */
export function isStoredAsNamed(manifest: unknown, name: string, filename: string): boolean {
  const [, dist] = distOf(manifest, name, filename)
  const stored = own(own(own(manifest, '_attachments'), filename), 'shasum')
  return typeof stored === 'string' && stored === own(dist, 'shasum')
}

/** True when the package is known from an uplink, and not only from being published here. */
export function isFromUplink(manifest: unknown): boolean {
  const uplinks = own(manifest, '_uplinks')
  return isObject(uplinks) && Object.keys(uplinks).length > 0
}

function distOf(
  manifest: unknown,
  name: string,
  filename: string,
): readonly [version: string, dist: unknown] | readonly [] {
  const versions = own(manifest, 'versions')
  if (!isObject(versions)) return []
  const names = (version: string): boolean => {
    const tarball = own(own(own(versions, version), 'dist'), 'tarball')
    return typeof tarball === 'string' && fileOf(tarball) === filename
  }
  // The version in the file's own name first, as Verdaccio does it: most packages have many.
  const base = `${name.replace(/^.*\//, '')}-`
  const likely = filename.startsWith(base) ? filename.slice(base.length, -'.tgz'.length) : ''
  const version = names(likely) ? likely : Object.keys(versions).find(names)
  return version === undefined ? [] : [version, own(own(versions, version), 'dist')]
}

function fileOf(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? ''
  const file = path.slice(path.lastIndexOf('/') + 1)
  try {
    return decodeURIComponent(file)
  } catch {
    return file // a stray %: then it is spelled like that
  }
}

function own(value: unknown, key: string): unknown {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}
