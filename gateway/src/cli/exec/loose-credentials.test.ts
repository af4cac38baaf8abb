import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { npmConfigFrom } from '../../upstream/npmrc.ts'
import { hasLooseCredentials } from './loose-credentials.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'catalog-loose-'))
})
afterEach(() => rmSync(home, { recursive: true }))

const REGISTRY = 'npmRegistryServer: https://npm.example'

test.each([
  ['a variable', '', { YARN_NPM_AUTH_TOKEN: 'x' }, true],
  ['an empty variable', '', { YARN_NPM_AUTH_TOKEN: '' }, false],
  ['the file', 'npmAuthToken: x', {}, true],
  ['a scope', 'npmScopes: { acme: { npmAuthIdent: "me:x" } }', {}, true],
  [
    'a scope in a registry of its own',
    `npmScopes: { acme: { ${REGISTRY}, npmAuthToken: x } }`,
    {},
    false,
  ],
  ['a registry', 'npmRegistries: { "https://npm.example": { npmAuthToken: x } }', {}, false],
  ['nothing', 'npmScopes: [strange]', {}, false],
])('Yarn, credentials of %s', (_, yarnrc, env, isLoose) => {
  writeFileSync(join(home, '.yarnrc.yml'), yarnrc)
  const place = { env, cwd: home, home, platform: process.platform, execPath: process.execPath }
  expect(hasLooseCredentials(place, npmConfigFrom({}))).toBe(isLoose)
})
