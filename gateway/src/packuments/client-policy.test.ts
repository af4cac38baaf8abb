import { expect, test } from 'vitest'
import { tarballPolicy, tarballUrl, variantName } from './client-policy.ts'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'

test.each([
  ['npm/10.9.9 node/v20 linux x64 workspaces/false', 'leave'],
  ['npm/12.2.0 node/v24.21.0 darwin arm64', 'leave'],
  ['Deno/2.9.6', 'leave'],
  ['Bun/1.4.5', 'omit'],
  ['npm (hidden)', 'self'],
  ['npm (verdaccio/6.10.4)', 'self'],
  ['pnpm/12.21.0 npm/? node/? linux x64', 'usual'],
  ['yarn/1.22.22 npm/? node/v20 linux x64', 'self'],
  ['got (https://github.com/sindresorhus/got)', 'usual-if-open'],
  ['something npm/1', 'self'],
  ['catalog-yarn-plugin/0.1.0', 'verbatim'],
  ['', 'self'],
  [undefined, 'self'],
] as const)('%s: %s', (agent, policy) => {
  expect(tarballPolicy(agent)).toBe(policy)
})

const registry = 'https://npm.invalid/api/npm/'
const context = {
  base: 'http://127.0.0.1:4874',
  registry,
  isPrivate: false,
  name: '@s/n',
  version: '1.0.0',
}
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
  ['usual', theirs, ours],
  ['usual', undefined, ours],
  ['usual', '/@s/n/-/n-1.0.0.tgz', ours],
  ['usual', `${registry}@s/n/-/n-1.0.0.tgz`, ours],
  ['usual', `${registry}@s%2fn/-/n-1.0.0.tgz`, ours],
  ['usual', `${registry}@s%2Fn/-/n-1.0.0.tgz`.replace('https', 'http'), ours],
  ['omit', `${registry}@s/n/-/n-1.0.0.tgz`, undefined],
  ...[
    `${registry}@s/n/-/@s/n-1.0.0.tgz`, // Artifactory
    `${registry}download/@s/n/1.0.0/0123abcd`, // GitHub Packages
    `${registry}@s/n/-/n-1.0.0.tgz?token=1`,
    'https://npm.invalid/@s/n/-/n-1.0.0.tgz',
    'https://other.invalid/api/npm/@s/n/-/n-1.0.0.tgz',
    `${DEFAULT_REGISTRY}@s/n/-/n-1.00.0.tgz`,
  ].flatMap((url) => [
    ['usual', url, url] as const,
    ['usual-if-open', url, url] as const,
    ['omit', url, url] as const,
  ]),
  ['verbatim', 'https://cdn.invalid/n.tgz', 'https://cdn.invalid/n.tgz'],
  ['verbatim', undefined, undefined],
] as const)('%s of %s', (policy, original, expected) => {
  expect(tarballUrl(original, { ...context, policy })).toBe(expected)
})

test.each([
  ['usual', 'https://cdn.invalid/n.tgz'],
  ['usual-if-open', ours],
  ['omit', undefined],
] as const)('%s of what needs credentials, somewhere else', (policy, expected) => {
  const secret = { ...context, isPrivate: true, policy }
  expect(tarballUrl('https://cdn.invalid/n.tgz', secret)).toBe(expected)
})

test('variants of different bytes have different keys', () => {
  expect(variantName({ policy: 'omit', base: 'http://a' }, false)).toBe(
    variantName({ policy: 'omit', base: 'http://b' }, false),
  )
  const keys = [
    variantName({ policy: 'self', base: 'http://a' }, false),
    variantName({ policy: 'self', base: 'http://b' }, false),
    variantName({ policy: 'leave', base: 'http://a' }, false),
    variantName({ policy: 'usual', base: 'http://a' }, false),
    variantName({ policy: 'omit', base: '' }, false),
  ]
  expect(new Set(keys).size).toBe(5)
})
