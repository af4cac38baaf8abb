/** Versions that a registry has not signed, where it must: in metadata and as tarballs, and what the client is told. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createRegistrySigner } from '../../../test/support/features/features-signatures.ts'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { tarballPath } from '../../../test/support/registries/registry.ts'
import { keyringPath } from '../keys/keyring.ts'
import { fingerprintOf } from '../keys/registry-key.ts'
import { signaturePolicyOf } from './signature-policy.ts'

const signed = makePackage('fx-signed', '1.0.0')
const bare = makePackage('fx-signed', '1.1.0')
const forged = makePackage('@acme/forged', '1.0.0')
const none = makePackage('fx-none', '1.0.0')
const signer = createRegistrySigner(fingerprintOf)
const stranger = createRegistrySigner(fingerprintOf)

describe('which policy counts', () => {
  test.each<[string[], string]>([
    [[], 'off'],
    [['warn'], 'warn'],
    [['off', 'require'], 'require'],
    [['https://npm.example.com=require'], 'require'],
    [['https://npm.example.com/=require', 'warn'], 'require'],
    [['https://npm.example.com/team/=off', 'https://npm.example.com/=require'], 'off'],
    [['https://npm.example.org/=require'], 'off'],
    [['https://npm.example.co=require'], 'off'],
  ])('%j is %s', (given, expected) => {
    expect(signaturePolicyOf(given, 'https://npm.example.com/team/')).toBe(expected)
  })
})

let folder: string
let world: GatewayWorld
async function open(policy: string, keys: readonly object[] = [signer.key]): Promise<void> {
  const path = keyringPath(folder)
  world = await gatewayWorld({
    ...{ packages: [signed, bare, forged, none], keyringPath: path },
    registrySignatures: [policy],
  })
  const sign = (by: typeof signer, of: typeof signed, as = of): void => {
    const { dist } = world.upstream.document(of.name).versions[of.version] ?? {}
    if (dist === undefined) throw new Error('no such version')
    dist.signatures = [{ keyid: by.keyid, sig: by.sign(textOf(as)) }]
  }
  sign(signer, signed)
  sign(signer, forged, signed)
  sign(stranger, none)
  const updatedAt = '2026-01-01T00:00:00.000Z'
  const registries = { [world.upstream.url]: { keys, dropped: [], updatedAt } }
  if (keys.length > 0) await writeFile(path, JSON.stringify({ version: 1, registries }))
}

const textOf = ({ name, version, integrity }: typeof signed): Buffer =>
  Buffer.from(`${name}@${version}:${integrity}`)

async function get(path: string): Promise<{ status: number; text: string }> {
  const { status, body } = await world.get(path)
  return { status, text: body.toString() }
}

describe('a gateway', () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'catalog-signatures-'))
  })
  afterEach(async () => {
    await world[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  describe('a registry that must sign', () => {
    test('is held to it, in metadata and for each tarball', async () => {
      await open('require')
      const { versions, 'dist-tags': tags } = JSON.parse((await get('/fx-signed')).text) as {
        versions: object
        'dist-tags': object
      }
      expect(Object.keys(versions)).toEqual(['1.0.0'])
      expect(tags).toEqual({ latest: '1.0.0' })
      expect(await get(tarballPath(signed))).toMatchObject({ status: 200 })
      const denied = await get(tarballPath(bare))
      expect(denied.status).toBe(403)
      expect(denied.text).toContain(
        `fx-signed@1.1.0 is denied by catalog's guard: it has no signature`,
      )
      expect(denied.text).toContain('--registry-signatures')
    })

    test('is not vouched for by a signature of something else, or by another key', async () => {
      await open('require')
      const other = await get(tarballPath(forged))
      expect(other).toMatchObject({ status: 403 })
      expect(other.text).toContain('has a signature that is not')
      const unknown = await get(tarballPath(none))
      expect(unknown).toMatchObject({ status: 403 })
      expect(unknown.text).toContain(
        `catalog registry-keys update --registry ${world.upstream.url}`,
      )
    })

    test("is not vouched for by a lockfile's hash either", async () => {
      await open('require')
      const { status } = await world.get(tarballPath(bare), { 'pacote-integrity': bare.integrity })
      expect(status).toBe(403)
      const good = await world.get(tarballPath(signed), { 'pacote-integrity': signed.integrity })
      expect(good.status).toBe(200)
      expect(good.body.equals(signed.tarball)).toBe(true)
    })

    test('vouches for nothing while no key of it is known', async () => {
      await open('require', [])
      const { status, text } = await get(tarballPath(signed))
      expect(status).toBe(403)
      expect(text).toContain(`no key of ${world.upstream.url} is known here`)
    })

    test('and cannot be asked is not signed for', async () => {
      await open('require')
      await world.upstream.stop()
      const headers = { 'pacote-integrity': signed.integrity }
      await world.node.put(signed.tarball, { visibility: 'public' })
      const { status, body } = await world.get(tarballPath(signed), headers)
      expect(status).toBe(403)
      expect(body.toString()).toContain('its registry does not say')
    })
  })

  test('a warning is one, once', async () => {
    await open('warn')
    expect((await get(tarballPath(bare))).status).toBe(200)
    expect((await get(tarballPath(bare))).status).toBe(200)
    expect((await get(tarballPath(signed))).status).toBe(200)
    const warned = world.logged.filter((line) => line.includes('guard.unsigned'))
    expect(warned).toHaveLength(1)
    expect(warned[0]).toContain('"version":"1.1.0"')
  })

  test('other registries are left alone', async () => {
    await open('https://npm.example.com/=require')
    expect((await get(tarballPath(bare))).status).toBe(200)
    expect(world.logged.join('\n')).not.toContain('guard.unsigned')
  })
})
