/** The gateway's own key among those that "audit signatures" checks with: only where packages of the network are, and for them. */
import { createPublicKey, verify } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keyIdFromBytes } from '@catalog-p2p/core'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { withEntry } from '../trust/trust-entries.ts'
import { changeTrustFile, trustFilePath } from '../trust/trust-file.ts'
import { gatewayKeyPath, openGatewaySignatures } from './gateway-signature.ts'
import { PINNED_KEYS } from './pinned-keys.ts'
import type { RegistryKey } from './registry-key.ts'

const noop = (): void => undefined
const log = { debug: noop, info: noop, warn: noop, error: noop }
const version = { name: '@acme/tool', version: '1.0.0', integrity: 'sha512-AAAA' }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-gateway-key-'))
})
afterEach(() => rm(folder, { recursive: true }))

const isSigned = (key: RegistryKey, sig: string): boolean => {
  const spki = { key: Buffer.from(key.key, 'base64'), format: 'der', type: 'spki' } as const
  const text = Buffer.from(`${version.name}@${version.version}:${version.integrity}`)
  return verify('sha256', text, createPublicKey(spki), Buffer.from(sig, 'base64'))
}

test('signs as registries do, with one key over restarts, which is for its user alone', async () => {
  const path = gatewayKeyPath(folder)
  const { key, sign } = await openGatewaySignatures({ log }, path)
  const { keyid, sig } = sign(version)
  expect(keyid).toBe(key.keyid)
  expect(isSigned(key, sig)).toBe(true)
  expect(sign(version).sig).toBe(sig)
  expect(isSigned(key, sign({ ...version, version: '1.0.1' }).sig)).toBe(false)
  expect((await openGatewaySignatures({ log }, path)).key).toEqual(key)
  if (process.platform !== 'win32') expect((await stat(path)).mode & 0o777).toBe(0o600)
})

test('a damaged file costs no start, and is not written over', async () => {
  const path = gatewayKeyPath(folder)
  await writeFile(path, 'junk')
  const { key, sign } = await openGatewaySignatures({ log }, path)
  expect(isSigned(key, sign(version).sig)).toBe(true)
  expect((await stat(path)).size).toBe(4)
})

describe('/-/npm/v1/keys', () => {
  let world: GatewayWorld
  afterEach(() => world[Symbol.asyncDispose]())

  async function idsWith(subject: string | undefined, keys: object[]): Promise<string[]> {
    const trustPath = trustFilePath(folder)
    if (subject !== undefined) {
      const id = keyIdFromBytes(new Uint8Array(32))
      const entry = { subject, kind: 'key', id, how: 'added', comment: '' } as const
      await changeTrustFile(trustPath, (text) => withEntry(text, entry))
    }
    world = await gatewayWorld({ trustPath })
    world.upstream.otherwise = (_, res) => void res.end(JSON.stringify({ keys }))
    const { status, body } = await world.get('/-/npm/v1/keys')
    expect(status).toBe(200)
    const found = JSON.parse(body.toString()) as { keys: { keyid: string }[] }
    return found.keys.map(({ keyid }) => keyid)
  }
  const ours = async (): Promise<string> =>
    (await openGatewaySignatures({ log }, gatewayKeyPath(folder))).key.keyid

  test("has the registry's keys alone where nothing is the network's", async () => {
    expect(await idsWith(undefined, [{ keyid: 'theirs' }])).toEqual(['theirs'])
  })

  test("has the gateway's own beside them where something is", async () => {
    expect(await idsWith('@acme', [{ keyid: 'theirs' }])).toEqual(['theirs', await ours()])
  })

  test('and beside the pinned ones', async () => {
    const pinned = PINNED_KEYS.map(({ keyid }) => keyid)
    expect(await idsWith('@acme', [])).toEqual([...pinned, await ours()])
  })
})
