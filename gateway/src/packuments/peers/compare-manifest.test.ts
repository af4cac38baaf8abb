/** What a peer says of a version beside what the tarball says: lies are seen, and what registries write in another way is none. */
import { describe, expect, test } from 'vitest'
import { differingField, type TarballManifest } from './compare-manifest.ts'

type Json = Record<string, unknown>

const base = { name: '@fx/thing', version: '1.0.0' }
const honest = {
  ...base,
  dependencies: { a: '^1.0.0' },
  optionalDependencies: { b: '^2.0.0' },
  peerDependencies: { c: '*' },
  bin: { thing: 'bin/thing.js' },
  engines: { node: '>=18' },
  os: ['linux'],
}

function differing(said: Json, own: Json, more: Partial<TarballManifest> = {}): string | undefined {
  const tarball = { packageJson: JSON.stringify(own), hasGypFile: false, hasShrinkwrap: false }
  return differingField(said, { ...tarball, ...more })
}

describe('a lie about', () => {
  test.each([
    ['dependencies', { dependencies: { a: '^1.0.0', evil: '*' } }],
    ['dependencies', { dependencies: {} }],
    ['dependencies', { dependencies: { a: 'npm:evil@1.0.0' } }],
    ['dependencies', { dependencies: { a: 'github:evil/a' } }],
    ['optionalDependencies', { optionalDependencies: { a: '^1.0.0', b: '^2.0.0' } }],
    ['peerDependencies', { peerDependencies: { evil: '*' } }],
    ['peerDependenciesMeta', { peerDependenciesMeta: { c: { optional: true } } }],
    ['bundleDependencies', { bundleDependencies: ['a'] }],
    ['bin', { bin: { thing: 'bin/thing.js', npm: 'evil.js' } }],
    ['bin', { bin: { thing: 'other.js' } }],
    ['engines', { engines: { node: '<10' } }],
    ['os', { os: ['win32'] }],
    ['cpu', { cpu: ['!x64'] }],
    ['libc', { libc: 'musl' }],
    ['_hasShrinkwrap', { _hasShrinkwrap: true }],
  ])('%s is seen', (field, lie) => {
    expect(differing(honest, honest)).toBeUndefined()
    expect(differing({ ...honest, ...lie }, honest)).toBe(field)
  })

  test('an install script that is hidden is seen', () => {
    const own = { ...base, scripts: { postinstall: 'node evil.js' } }
    expect(differing(base, own)).toBe('hasInstallScript')
    expect(differing({ ...base, hasInstallScript: true }, own)).toBeUndefined()
    expect(differing(base, base, { hasGypFile: true })).toBe('hasInstallScript')
  })
})

describe('a lie that a client reads otherwise than we do:', () => {
  test.each<[string, string, Json, Json]>([
    [
      'dependencies', // pnpm takes the first, npm the second
      'one range here and another one there',
      { dependencies: { a: 'npm:evil@1' }, optionalDependencies: { a: '1' } },
      { optionalDependencies: { a: '1' } },
    ],
    [
      'dependencies',
      'a name with a space',
      { dependencies: { ' a': '1' } },
      { dependencies: { a: '1' } },
    ],
    [
      'dependencies',
      'a repository in the clear',
      { dependencies: { a: 'git://github.com/x/a' } },
      { dependencies: { a: 'x/a' } },
    ],
    [
      'dependencies',
      'a repository at another host of that name',
      { dependencies: { a: 'https://gitlab.org/x/a' } },
      { dependencies: { a: 'gitlab:x/a' } },
    ],
    [
      'bundleDependencies',
      'two names of a field',
      { bundleDependencies: [], bundledDependencies: ['a'] },
      { dependencies: { a: '1' } },
    ],
    [
      'bin',
      'a command elsewhere',
      { bin: { '../../thing': 'cli.js' } },
      { bin: { thing: 'cli.js' } },
    ],
    ['bin', 'a path elsewhere', { bin: { thing: '../../cli.js' } }, { bin: { thing: 'cli.js' } }],
    ['bin', 'a command of no file', { bin: { npm: 'bin/x' } }, { directories: { bin: 'bin' } }],
    ['bin', 'a file of another folder', { bin: { x: 'lib/x' } }, { directories: { bin: 'bin' } }],
  ])('%s: %s', (field, _what, said, own) => {
    const more = own.dependencies === undefined ? {} : { dependencies: own.dependencies }
    expect(differing({ ...base, ...more, ...said }, { ...base, ...own })).toBe(field)
  })

  test('the same in both is the publisher’s own', () => {
    const bin = { '../thing': '../cli.js' }
    const own = { ...base, dependencies: { a: '2' }, optionalDependencies: { a: '1' }, bin }
    expect(differing(own, own)).toBeUndefined()
  })
})

describe('what a registry writes in its own way is no lie:', () => {
  test.each<[string, Json, Json]>([
    ['a command alone', { bin: { thing: 'cli.js' } }, { bin: './cli.js' }],
    ['a path out of the folder', { bin: { thing: 'cli.js' } }, { bin: { thing: '../cli.js' } }],
    ['a path with a dot', { bin: { thing: './cli.js' } }, { bin: 'cli.js' }],
    ['any engine, as npm 0.x wrote', { engines: { node: '*' } }, {}], // hashish@0.0.4
    ['commands of a folder', { bin: { x: 'bin/x' } }, { directories: { bin: 'bin' } }],
    ['one platform alone', { os: ['linux'], cpu: ['x64'] }, { os: 'linux', cpu: 'x64' }],
    [
      'optional dependencies among the others',
      { dependencies: { a: '1' }, optionalDependencies: { a: '1' } },
      { optionalDependencies: { a: '1' } },
    ],
    ['another name of a field', { bundleDependencies: ['a'] }, { bundledDependencies: ['a'] }],
    [
      'all bundled',
      { dependencies: { a: '1' }, bundleDependencies: ['a'] },
      { dependencies: { a: '1' }, bundleDependencies: true },
    ],
    ['nothing bundled', {}, { bundleDependencies: false }],
    ['empty lists', { dependencies: {} }, {}],
    [
      'a repository',
      { dependencies: { a: 'git+https://github.com/x/a.git' } },
      { dependencies: { a: 'x/a' } },
    ],
    // fsevents@2.3.3, and whatever else was published beside a binding.gyp that is not packed
    [
      'a script of a file that is not packed',
      { hasInstallScript: true, os: ['darwin'] },
      { scripts: { build: 'node-gyp rebuild' }, os: ['darwin'] },
    ],
    // @swc/core-linux-x64-musl@1.15.8, @oxc-resolver/binding-linux-x64-gnu@11.23.0
    [
      'no C library in the short form',
      { os: ['linux'], cpu: ['x64'] },
      { os: ['linux'], cpu: ['x64'], libc: ['musl'] },
    ],
    ['a script that is not for installing', {}, { scripts: { test: 'x', prepare: 'y' } }],
  ])('%s', (_what, said, own) => {
    expect(differing({ ...base, ...said }, { ...base, ...own })).toBeUndefined()
  })

  test('a build in the version', () => {
    const tarball = { hasGypFile: false, hasShrinkwrap: false }
    const packageJson = JSON.stringify({ ...base, version: 'v1.0.0+build.1' })
    expect(differingField(base, { ...tarball, packageJson })).toBeUndefined()
  })
})
