/**
 * Reads what Verdaccio's copy of a package's metadata says about one tarball. The document came from an uplink: no field's type is
 * trusted. Pure.
 */
import { expectedOf, type Expected } from './integrity.ts'
import { isObject } from './verdaccio.ts'

export interface TarballRecord {
  /** For people: `name@version`, or `name (file)` when no version names the file. */
  readonly label: string
  readonly expected: Expected | undefined
  /** An uplink once listed a file of this name; Verdaccio keeps that record when the version is unpublished. */
  readonly isRecorded: boolean
  /** The version is the one that an uplink listed; otherwise it may have been published here. */
  readonly isProxied: boolean
  /** The uplink in Verdaccio's record of the file. */
  readonly uplink: string | undefined
}

/** The file's hashes are those of the version whose `dist.tarball` ends in its name. */
export function tarballRecord(manifest: unknown, name: string, filename: string): TarballRecord {
  const distFile = own(own(manifest, '_distfiles'), filename)
  const [version, dist] = distOf(manifest, name, filename)
  const registry = own(distFile, 'registry')
  const recorded = own(distFile, 'sha')
  const shasum = own(dist, 'shasum')
  return {
    label: version === undefined ? `${name} (${filename})` : `${name}@${version}`,
    expected: expectedOf(own(dist, 'integrity'), shasum ?? recorded),
    isRecorded: distFile !== undefined,
    isProxied: typeof recorded === 'string' && recorded !== '' && recorded === shasum,
    uplink: typeof registry === 'string' ? registry : undefined,
  }
}

/** Files of the package that Verdaccio has stored. */
export function storedFiles(manifest: unknown): readonly string[] {
  const attachments = own(manifest, '_attachments')
  return isObject(attachments) ? Object.keys(attachments) : []
}

/** Files of the package that Verdaccio has stored, or that an uplink has listed. */
export function knownFiles(manifest: unknown): readonly string[] {
  const recorded = own(manifest, '_distfiles')
  const names = isObject(recorded) ? Object.keys(recorded) : []
  return [...new Set([...storedFiles(manifest), ...names])]
}

/** True when the hash that Verdaccio computed on storing the file is the one that its version names. */
export function isStoredAsNamed(manifest: unknown, name: string, filename: string): boolean {
  const [, dist] = distOf(manifest, name, filename)
  const stored = own(own(own(manifest, '_attachments'), filename), 'shasum')
  return typeof stored === 'string' && stored === own(dist, 'shasum')
}

/** True when an uplink has the package; false when it was only published here. */
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
  // First the version in the file's name, as Verdaccio does: searching all of them takes long.
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
    return file // a stray %, which is part of the name
  }
}

function own(value: unknown, key: string): unknown {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
}
