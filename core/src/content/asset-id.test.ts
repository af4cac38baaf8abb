import { describe, expect, test } from 'vitest'
import { formatAssetId, isPackageName, isPackageVersion, parseAssetId } from './asset-id.ts'

const root = Uint8Array.from({ length: 32 }, (_, index) => index)
const rootHex = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'

describe('an Asset ID', () => {
  test.for<[string, string]>([
    ['left-pad', '1.3.0'],
    ['@types/node', '24.19.2'],
    ['JSONStream', '1.0.0-beta.1+build.7'],
    ['@scope/a.b_c~d', '0.0.0-0'],
  ])('of %s@%s survives its text', ([name, version]) => {
    const text = `catalog:${name}@${version}:${rootHex}`
    expect(formatAssetId({ name, version, root })).toBe(text)
    expect(parseAssetId(text)).toEqual({ name, version, root })
  })

  test.for([
    '',
    'catalog:',
    `left-pad@1.3.0:${rootHex}`,
    `Catalog:left-pad@1.3.0:${rootHex}`,
    `catalog:left-pad@1.3:${rootHex}`,
    `catalog:left-pad@v1.3.0:${rootHex}`,
    `catalog:left-pad@01.3.0:${rootHex}`,
    `catalog:left-pad:${rootHex}`,
    `catalog:@1.3.0:${rootHex}`,
    `catalog:@scope@1.3.0:${rootHex}`,
    `catalog:@scope/@1.3.0:${rootHex}`,
    `catalog:a/b@1.3.0:${rootHex}`,
    `catalog:../x@1.3.0:${rootHex}`,
    `catalog:.hidden@1.3.0:${rootHex}`,
    `catalog:_x@1.3.0:${rootHex}`,
    `catalog:node_modules@1.3.0:${rootHex}`,
    `catalog:x y@1.3.0:${rootHex}`,
    `catalog:x@1.3.0:${rootHex.slice(1)}`,
    `catalog:x@1.3.0:${rootHex}0`,
    `catalog:x@1.3.0:${rootHex.toUpperCase()}`,
    `catalog:x@1.3.0:${rootHex}\n`,
    `catalog:${'x'.repeat(215)}@1.3.0:${rootHex}`,
  ])('is not %j', (text) => {
    expect(() => parseAssetId(text)).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }))
  })

  test('is not made of parts that would not parse', () => {
    for (const bad of [
      { name: 'a@b', version: '1.0.0', root },
      { name: 'a', version: '1', root },
      { name: 'a', version: '1.0.0', root: root.subarray(1) },
    ]) {
      expect(() => formatAssetId(bad)).toThrow(expect.objectContaining({ code: 'INVALID_NAME' }))
    }
  })

  test('knows names and versions in time, however long the text', () => {
    expect(isPackageName('x'.repeat(1_000_000))).toBe(false)
    expect(isPackageVersion(`1.0.0-${'0'.repeat(1_000_000)}`)).toBe(false)
    expect(isPackageVersion(`1.0.0-${'a.'.repeat(120)}!`)).toBe(false)
  })
})
