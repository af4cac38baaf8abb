import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createRegistrySignatures } from './registry-signature.ts'

/** Out of npm's own metadata. */
const vectors = JSON.parse(
  readFileSync(new URL('npm-signatures.vectors.json', import.meta.url), 'utf8'),
) as {
  name: string
  version: string
  integrity: string
  keyid: string
  sig: string
  expect: boolean
}[]
const drop = (): void => undefined
const log = { debug: drop, info: drop, warn: drop, error: drop }
const { isSigned } = createRegistrySignatures({ log }, { keyringPath: undefined })

test.each(vectors)('$name@$version: $expect', async ({ keyid, sig, expect: expected, ...rest }) => {
  const signatures = JSON.stringify([
    { keyid: 'SHA256:unknown', sig: 'AA==' },
    { keyid, sig },
  ])
  expect(await isSigned({ ...rest, signatures })).toBe(expected)
  for (const other of [
    { name: `${rest.name}x` },
    { version: '9.9.9' },
    { integrity: 'sha512-x' },
  ]) {
    expect(await isSigned({ ...rest, ...other, signatures })).toBe(false)
  }
})

test.each(['', '[]', '{}', '[null]', '[{"keyid":1}]', 'x'])(
  '%j signs nothing',
  async (signatures) => {
    const [first] = vectors
    expect(
      await isSigned({
        name: 'a',
        version: '1.0.0',
        integrity: first?.integrity ?? '',
        signatures,
      }),
    ).toBe(false)
  },
)
