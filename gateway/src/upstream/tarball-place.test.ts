import { expect, test } from 'vitest'
import { DEFAULT_REGISTRY } from './default-registry.ts'
import { tarballPlace } from './tarball-place.ts'

const FILE = 'n/-/n-1.0.0.tgz'
const mirror = { url: 'https://npm.corp.example/api/npm/' }

test.each([
  ['the public registry, by default', undefined, DEFAULT_REGISTRY + FILE, mirror.url + FILE],
  ['the public registry, never', 'never', DEFAULT_REGISTRY + FILE, DEFAULT_REGISTRY + FILE],
  ['any host, by default', undefined, `http://files.lan/${FILE}`, `http://files.lan/${FILE}`],
  ['any host, always', 'always', `http://files.lan:81/${FILE}?a=b`, `${mirror.url}${FILE}?a=b`],
  ['its own path there already', 'always', `http://files.lan/api/npm/${FILE}`, mirror.url + FILE],
  ['a host by name', 'files.lan', `http://files.lan:8081/x/${FILE}`, `${mirror.url}x/${FILE}`],
  ['a host by URL', 'http://files.lan/old/', `http://files.lan/old/${FILE}`, mirror.url + FILE],
  ['beside that URL', 'http://files.lan/old', `http://files.lan/older/${FILE}`, undefined],
  ['two slashes', 'always', `http://files.lan//x//n.tgz`, `${mirror.url}/x//n.tgz`],
])('%s: %s', (_what, setting, listed, expected) => {
  expect(tarballPlace(new URL(listed), mirror, setting).href).toBe(expected ?? listed)
})

test('the public registry keeps its own', () => {
  const listed = new URL(DEFAULT_REGISTRY + FILE)
  expect(tarballPlace(listed, { url: DEFAULT_REGISTRY }).href).toBe(listed.href)
})
