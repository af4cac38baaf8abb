import { expect, test } from 'vitest'
import { parseChange } from './notify-changes.ts'

const BASE = 'https://main.invalid/npm'
const change = (method: string, path: string) => parseChange(new URL(BASE + path), method)

test.each([
  ['PUT', '/fx-one', 'fx-one'],
  ['PUT', '/@fx%2fone', '@fx/one'],
  ['PUT', '/-/package/fx-one/dist-tags/next', 'fx-one'],
  ['PUT', '/-/package/@fx%2fone/dist-tags/next', '@fx/one'],
  ['DELETE', '/-/package/@fx/one/dist-tags/v1%2e0', '@fx/one'],
  ['POST', '/-/stage/3f1c/approve', undefined],
])('%s %s changes a package', (method, path, name) => {
  expect(change(method, path)).toEqual({ name })
})

test.each([
  ['GET', '/fx-one'],
  ['GET', '/-/package/fx-one/dist-tags/next'],
  ['POST', '/-/npm/v1/security/advisories/bulk'],
  ['POST', '/-/stage/package/fx-one'], // not public before it is approved
  ['DELETE', '/-/stage/3f1c'],
  ['PUT', '/-/user/org.couchdb.user:me'],
  ['PUT', '/%2e%2e%2fone'],
  ['PUT', '/%ZZ'],
  ['PUT', '/'],
])('%s %s changes none', (method, path) => {
  expect(change(method, path)).toBeUndefined()
})
