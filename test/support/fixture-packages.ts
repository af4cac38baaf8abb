/**
 * The packages of the tests' own little registry, made when asked for and always the same: scoped
 * ones, a bin, optional dependencies for this and other platforms, peers, two versions of one name in
 * one tree, a large incompressible one. Their names exist nowhere else. None has an install script.
 */
import { createCipheriv, createHash } from 'node:crypto'
import { packTarball, type TarFile } from './tarball.ts'

/** The fields of package.json beyond name and version. */
export type ManifestFields = Readonly<Record<string, unknown>>

export interface FixturePackage {
  readonly name: string
  readonly version: string
  readonly manifest: ManifestFields
  /** All files of the package, package.json included. */
  readonly files: readonly TarFile[]
  readonly tarball: Buffer
  /** sha512, as lockfiles spell it. */
  readonly integrity: string
  /** sha1, hex. */
  readonly shasum: string
}

export function makePackage(
  name: string,
  version: string,
  manifest: ManifestFields = {},
  extraFiles: readonly TarFile[] = [],
): FixturePackage {
  const all = { name, version, description: `Fixture ${name}`, license: 'MIT', ...manifest }
  const source = `module.exports = ${JSON.stringify(`${name}@${version}`)}\n`
  const files: TarFile[] = [
    { path: 'package.json', content: `${JSON.stringify(all, null, 2)}\n` },
    { path: 'index.js', content: source },
    { path: 'README.md', content: `# ${name}\n\nA fixture package.\n` },
    ...extraFiles,
  ]
  const tarball = packTarball(files)
  return {
    name,
    version,
    manifest: all,
    files,
    tarball,
    integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}`,
    shasum: createHash('sha1').update(tarball).digest('hex'),
  }
}

/** `size` bytes that no compressor shrinks, the same for the same seed. */
export function incompressibleBytes(size: number, seed: string): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
}

/** Bytes of random data in fx-big: more than five chunks, and not a multiple of a chunk. */
export const BIG_PACKAGE_BYTES = 5_500_000

const hello = `#!/usr/bin/env node
const colors = require('fx-colors')
console.log(\`hello from \${require('../package.json').name} with \${colors}\`)
`

/** What `fixtureProject` pulls in, and some versions beside it that no install should choose. */
export function fixturePackages(): readonly FixturePackage[] {
  const tiny = Array.from({ length: 8 }, (_, i) => makePackage(`fx-tiny-${i}`, `1.0.${i}`))
  const dependenciesOn = (packages: readonly FixturePackage[]): Record<string, string> =>
    Object.fromEntries(packages.map((each) => [each.name, `^${each.version}`]))
  return [
    makePackage('@fx/alpha', '1.2.0', {
      dependencies: { '@fx/beta': '~2.1.0', 'fx-leaf': '^1.0.0' },
    }),
    makePackage('@fx/beta', '2.1.3'),
    makePackage('@fx/beta', '2.2.0'),
    makePackage(
      '@fx/cli',
      '3.0.1',
      { bin: { 'fx-hello': 'bin/hello.js' }, dependencies: { 'fx-colors': '^1.0.0' } },
      [{ path: 'bin/hello.js', content: hello, executable: true }],
    ),
    makePackage('fx-colors', '1.4.0', {}, [
      { path: 'lib/deep/er/still.js', content: 'exports.red = 31\n' },
    ]),
    makePackage('fx-leaf', '1.0.0'),
    makePackage('fx-leaf', '1.3.0'),
    makePackage('fx-leaf', '2.0.0'),
    makePackage('fx-leaf', '3.0.0-rc.1'),
    makePackage('fx-nested-a', '1.0.0', { dependencies: { 'fx-leaf': '^1.0.0' } }),
    makePackage('fx-nested-b', '1.0.0', { dependencies: { 'fx-leaf': '^2.0.0' } }),
    makePackage('fx-native', '1.1.0', {
      optionalDependencies: {
        '@fx/native-linux': '1.1.0',
        '@fx/native-darwin': '1.1.0',
        '@fx/native-win32': '1.1.0',
        '@fx/native-sunos': '1.1.0',
      },
    }),
    ...['linux', 'darwin', 'win32', 'sunos'].map((os) =>
      makePackage(`@fx/native-${os}`, '1.1.0', { os: [os] }),
    ),
    makePackage('fx-host', '4.1.0'),
    makePackage('fx-plugin', '1.0.0', {
      peerDependencies: { 'fx-host': '^4.0.0', 'fx-optional-host': '*' },
      peerDependenciesMeta: { 'fx-optional-host': { optional: true } },
    }),
    makePackage('fx-optional-host', '1.0.0'),
    makePackage('fx-tree', '1.0.0', { dependencies: dependenciesOn(tiny) }),
    ...tiny,
    makePackage('fx-dev', '0.9.0', { engines: { node: '>=10' } }),
    makePackage('fx-big', '1.0.0', {}, [
      { path: 'data.bin', content: incompressibleBytes(BIG_PACKAGE_BYTES, 'fx-big') },
    ]),
  ]
}

/** The package.json that the client matrix installs. */
export const fixtureProject = {
  name: 'fixture-project',
  version: '1.0.0',
  private: true,
  dependencies: {
    '@fx/alpha': '^1.0.0',
    '@fx/cli': '^3.0.0',
    'fx-big': '1.0.0',
    'fx-host': '^4.0.0',
    'fx-native': '^1.0.0',
    'fx-nested-a': '^1.0.0',
    'fx-nested-b': '^1.0.0',
    'fx-plugin': '^1.0.0',
    'fx-tree': '^1.0.0',
  },
  devDependencies: { 'fx-dev': '^0.9.0' },
} as const

/** `name@version` of everything that a correct install of `fixtureProject` puts on this machine. */
export function expectedInstall(packages: readonly FixturePackage[]): ReadonlySet<string> {
  const unwanted = new Set([
    ...['@fx/beta@2.2.0', 'fx-leaf@1.0.0', 'fx-leaf@3.0.0-rc.1'],
    'fx-optional-host@1.0.0', // nobody asks for it
  ])
  const isForThisPlatform = (each: FixturePackage): boolean => {
    const { os } = each.manifest
    return !Array.isArray(os) || os.includes(process.platform)
  }
  return new Set(
    packages
      .filter(isForThisPlatform)
      .map((each) => `${each.name}@${each.version}`)
      .filter((id) => !unwanted.has(id)),
  )
}
