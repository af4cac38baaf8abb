import { expect, test } from 'vitest'
import { tarballPolicy, tarballUrl, variantKey } from './client-policy.ts'
import { DEFAULT_REGISTRY } from './default-registry.ts'

test.each([
  ['npm/10.9.9 node/v20 linux x64 workspaces/false', 'leave'],
  ['npm/12.2.0 node/v24.21.0 darwin arm64', 'leave'],
  ['Deno/2.9.6', 'leave'],
  ['Bun/1.4.5', 'omit'],
  ['npm (hidden)', 'self'],
  ['npm (verdaccio/6.10.4)', 'self'],
  ['pnpm/12.21.0 npm/? node/? linux x64', 'self'],
  ['yarn/1.22.22 npm/? node/v20 linux x64', 'self'],
  ['got (https://github.com/sindresorhus/got)', 'self'],
  ['something npm/1', 'self'],
  ['catalog-yarn-plugin/0.1.0', 'verbatim'],
  ['', 'self'],
  [undefined, 'self'],
] as const)('%s: %s', (agent, policy) => {
  expect(tarballPolicy(agent)).toBe(policy)
})

const context = { base: 'http://127.0.0.1:4874', name: '@s/n', version: '1.0.0' }
const ours = 'http://127.0.0.1:4874/@s/n/-/n-1.0.0.tgz'
const theirs = `${DEFAULT_REGISTRY}@s/n/-/n-1.0.0.tgz`

test.each([
  ['leave', theirs, theirs],
  ['leave', 'https://cdn.invalid/n.tgz', ours],
  ['leave', theirs.replace('https://', 'https://evil.'), ours],
  ['leave', `https://evil.invalid/${DEFAULT_REGISTRY}`, ours],
  ['leave', undefined, ours],
  ['self', theirs, ours],
  ['self', 'https://host.invalid/download/0123abcd', ours],
  ['omit', theirs, undefined],
  ['verbatim', 'https://cdn.invalid/n.tgz', 'https://cdn.invalid/n.tgz'],
  ['verbatim', undefined, undefined],
] as const)('%s of %s', (policy, original, expected) => {
  expect(tarballUrl(original, { ...context, policy })).toBe(expected)
})

test('variants of different bytes have different keys', () => {
  expect(variantKey('omit', 'http://a')).toBe(variantKey('omit', 'http://b'))
  const keys = [
    variantKey('self', 'http://a'),
    variantKey('self', 'http://b'),
    variantKey('leave', 'http://a'),
    variantKey('omit', ''),
  ]
  expect(new Set(keys).size).toBe(4)
})
