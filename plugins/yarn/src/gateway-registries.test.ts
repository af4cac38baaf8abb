import { expect, test } from 'vitest'
import { mayAskWithout, sharedRegistry } from './gateway-registries.ts'

const PUBLIC = 'https://public.invalid/'
const ALIAS = 'https://alias.invalid'
const gateway = [
  { scope: null, url: PUBLIC, isPublicDefault: true },
  { scope: '@corp', url: 'https://corp.invalid/npm/', isPublicDefault: false },
]

test.each([
  ['lodash', 'https://public.invalid', true],
  ['lodash', 'https://PUBLIC.invalid:443/', true],
  ['lodash', ALIAS, true],
  ['@other/x', ALIAS, true],
  ['lodash', 'http://public.invalid', false],
  ['lodash', 'https://public.invalid/npm', false],
  ['lodash', 'https://corp.invalid/npm', false],
  ['@corp/x', 'https://corp.invalid/npm', true],
  ['@Corp/x', 'https://corp.invalid/npm/', true],
  ['@corp/x', 'https://public.invalid', false],
  ['@corp/x', ALIAS, false],
  ['lodash', 'no url', false],
])('%s of %s: %s', (name, registry, isShared) => {
  expect(sharedRegistry(gateway, { name, registry }, ALIAS) !== undefined).toBe(isShared)
})

test("Yarn's alias means the public registry only", () => {
  const mirror = [{ scope: null, url: 'https://mirror.invalid/', isPublicDefault: false }]
  expect(sharedRegistry(mirror, { name: 'x', registry: ALIAS }, ALIAS)).toBeUndefined()
  expect(sharedRegistry([], { name: 'x', registry: ALIAS }, ALIAS)).toBeUndefined()
})

test('what needs credentials is asked of the daemon only where all see the same', () => {
  const [main, corp] = gateway
  if (main === undefined || corp === undefined) throw new Error('there are two')
  expect(mayAskWithout(main, false)).toBe(true)
  expect(mayAskWithout(corp, false)).toBe(true)
  expect(mayAskWithout(main, true)).toBe(true)
  expect(mayAskWithout(corp, true)).toBe(false)
})
