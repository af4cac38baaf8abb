/**
 * The fields of a version that go from peer to peer, and their types: of another type a field would be compared as one thing, and
 * read by a client as another. Pure; runs in packument-worker.ts.
 */
import { isObject } from '../../is-object.ts'

// What installing needs of a version: all of it is compared with the tarball's own package.json. Not `deprecated`, which would let
// a peer choose the version.
export const KEPT = [
  'dependencies',
  'optionalDependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'bundleDependencies',
  'bundledDependencies',
  'bin',
  'engines',
  'os',
  'cpu',
  'libc',
  'hasInstallScript',
  '_hasShrinkwrap',
] as const

export function hasItsType(field: (typeof KEPT)[number], value: unknown): boolean {
  switch (field) {
    case 'dependencies':
    case 'optionalDependencies':
    case 'peerDependencies':
    case 'engines':
      return isObject(value) && Object.values(value).every((each) => typeof each === 'string')
    case 'peerDependenciesMeta':
      return isObject(value) && Object.values(value).every(isObject)
    case 'bin':
      return (
        typeof value === 'string' ||
        (isObject(value) && Object.values(value).every((each) => typeof each === 'string'))
      )
    case 'bundleDependencies':
    case 'bundledDependencies':
      return typeof value === 'boolean' || isTextList(value)
    case 'os':
    case 'cpu':
    case 'libc':
      return typeof value === 'string' || isTextList(value)
    case 'hasInstallScript':
    case '_hasShrinkwrap':
      return typeof value === 'boolean'
  }
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}
