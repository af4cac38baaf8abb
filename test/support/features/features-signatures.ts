/**
 * Signed metadata for `npm audit signatures`: facts of npm's public registry (what it said of some versions, and its signature
 * of them, made with keys that are pinned in the gateway), and versions signed here with a key made for the test.
 */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface SignedVersion {
  readonly name: string
  readonly version: string
  readonly integrity: string
  readonly keyid: string
  readonly sig: string
  /** When it was published: a key that has ended vouches for what is older. */
  readonly time: string
}

const ENDED_KEY = 'SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA'
const CURRENT_KEY = 'SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U'

/** One for each pinned key. */
export const npmSigned: readonly SignedVersion[] = [
  {
    name: 'express',
    version: '5.2.1',
    integrity:
      'sha512-hIS4idWWai69NezIdRt2xFVofaF4j+6INOpJlVOLDO8zXGpUVEVzIYk12UUi2JzjEzWL3IOAxcTubgz9Po0yXw==',
    keyid: CURRENT_KEY,
    sig: 'MEQCIFiG4BbRCfOtJiV9BkwAfmuZ6j6WDPSwLTUxm8z4HbwxAiBRQBV8eXLNJmyYnSS5oLT12Q44o71/CetyWd+uifoylA==',
    time: '2025-12-01T00:00:00.000Z',
  },
  {
    name: 'tiny-tarball',
    version: '1.0.0',
    integrity:
      'sha512-SxmEuEiq4d9L2UjUCyP7g3KHND65MJnsFbEwCbaoMp9NYjHjufAzIUCRaRHB+FNTwzZ1e2xjBoYobBB8pqB5IQ==',
    keyid: ENDED_KEY,
    sig: 'MEUCICguG74eMv+l6RBT6cDoOhWysqtjms2zSXyWwg6LC5XnAiEAq1VSNbCx+D4LT6lgzYx0JGs0PPWKgP9XuQn8tniow2c=',
    time: '2015-03-25T00:00:00.000Z',
  },
]

/** A version under a signature that is not its. */
export const badlySigned: SignedVersion = {
  name: 'kms-demo',
  version: '1.0.0',
  integrity:
    'sha512-QqZ7VJ/8xPkS9s2IWB7Shj3qTJdcRyeXKbPQnsZjsPEwvutGv0EGeVchPcauoiDFJlGbZMFq5GDCurAGNSghJQ==',
  keyid: ENDED_KEY,
  sig: 'MEUCIQCX/49atNeSDYZP8betYWEqB0G8zZnIyB7ibC7nRNyMiQIgHosOKHhVTVNBI/6iUNSpDokOc44zsZ7TfybMKj8YdfY=',
  time: '2022-01-01T00:00:00.000Z',
}

/** A registry's own key, and what it signs. */
export interface RegistrySigner {
  readonly keyid: string
  /** As the registry publishes it. */
  readonly key: object
  /** Base64. */
  sign(data: Buffer): string
  /** A version of no content, signed. */
  version(name: string): SignedVersion
}

/** @param keyidOf names the key; registries name theirs as they like, npm's by its fingerprint */
export function createRegistrySigner(
  keyidOf: (key: KeyObject) => string = () => 'SHA256:a registry names its keys as it likes',
): RegistrySigner {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyid = keyidOf(publicKey)
  const signWith = (data: Buffer): string => sign('sha256', data, privateKey).toString('base64')
  return {
    keyid,
    sign: signWith,
    key: {
      ...{ expires: null, keyid, keytype: 'ecdsa-sha2-nistp256', scheme: 'ecdsa-sha2-nistp256' },
      key: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    },
    version(name) {
      const integrity = `sha512-${createHash('sha512').update(name).digest('base64')}`
      const version = '1.0.0'
      const sig = signWith(Buffer.from(`${name}@${version}:${integrity}`))
      return { name, version, integrity, keyid, sig, time: '2026-01-01T00:00:00.000Z' }
    },
  }
}

/** `isAttested`: it names where attestations of it are to be had. */
export function signedPackument(url: string, signed: SignedVersion, isAttested = false): object {
  const { name, version, integrity, keyid, sig, time } = signed
  const tarball = `${url}/${name}/-/${name}-${version}.tgz`
  const attestations = {
    url: `${url}/-/npm/v1/attestations/${name}@${version}`,
    provenance: { predicateType: 'https://slsa.dev/provenance/v1' },
  }
  const signatures = [{ keyid, sig }]
  const dist = { integrity, tarball, signatures, ...(isAttested && { attestations }) }
  return {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { name, version, dist } },
    time: { created: time, modified: time, [version]: time },
  }
}

/** A project that looks as if these had been installed: nobody has their bytes, and an audit needs none. */
export async function asIfInstalled(folder: string, all: readonly SignedVersion[]): Promise<void> {
  const dependencies = Object.fromEntries(all.map(({ name, version }) => [name, version]))
  const manifest = { name: 'audited', version: '1.0.0', dependencies }
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
  for (const { name, version } of all) {
    const home = join(folder, 'node_modules', name)
    await mkdir(home, { recursive: true })
    await writeFile(join(home, 'package.json'), JSON.stringify({ name, version }))
  }
  await writeFile(join(folder, 'package-lock.json'), JSON.stringify(npmLock(manifest, all)))
  await writeFile(join(folder, 'pnpm-lock.yaml'), JSON.stringify(pnpmLock(all))) // JSON is YAML
}

function npmLock(manifest: object, all: readonly SignedVersion[]): object {
  const entries = all.map(({ name, version, integrity }) => {
    return [`node_modules/${name}`, { version, integrity }] as const
  })
  return { lockfileVersion: 3, packages: { '': manifest, ...Object.fromEntries(entries) } }
}

function pnpmLock(all: readonly SignedVersion[]): object {
  const by = <T>(value: (each: SignedVersion) => T, key = false): Record<string, T> =>
    Object.fromEntries(
      all.map((each) => [key ? `${each.name}@${each.version}` : each.name, value(each)]),
    )
  return {
    lockfileVersion: '9.0',
    importers: {
      '.': { dependencies: by(({ version }) => ({ specifier: version, version })) },
    },
    packages: by(({ integrity }) => ({ resolution: { integrity } }), true),
    snapshots: by(() => ({}), true),
  }
}
