import { describe, expect, test } from 'vitest'
import { createPrivacy, policyOf, type PrivacyLists } from './privacy.ts'

/** Specs by exact name, as Verdaccio's own matching (which is not ours to test) would find them. */
function privacyWith(
  uplinks: Record<string, unknown>,
  packages: Record<string, object>,
  lists: Partial<PrivacyLists> = {},
) {
  const config = {
    uplinks,
    getMatchedPackagesSpec: (name: string) => packages[name] ?? packages['*'],
  }
  return createPrivacy(config, { seed: [], private: [], uplinks: undefined, ...lists })
}

const open = { access: ['$all'], proxy: ['main'] }
const url = 'https://registry.example/'
const fromMain = { isProxied: true, uplink: 'main' }

describe('an uplink', () => {
  test.each([
    ['without credentials', { url }, true],
    ['with harmless headers', { url, headers: { Accept: 'a', 'user-agent': 'b' } }, true],
    ['with a header that nobody knows', { url, headers: { 'x-team': 'a' } }, false],
    ['with auth', { url, auth: { type: 'bearer', token: 'x' } }, false],
    ['with auth from the environment', { url, auth: { token_env: true } }, false],
    ['with an Authorization header', { url, headers: { Authorization: 'Bearer x' } }, false],
    ['with a key of its own kind', { url, headers: { 'X-Api-Key': 'x' } }, false],
    ["with an artifact store's key", { url, headers: { 'X-JFrog-Art-Api': 'x' } }, false],
    ['with plain TLS settings', { url, agent_options: { ca: 'x', keepAlive: true } }, true],
    ['with a certificate', { url, agent_options: { cert: 'x', key: 'y' } }, false],
    ['with a certificate in a box', { url, agent_options: { pfx: 'x', passphrase: 'y' } }, false],
    ['with a name of its agent', { url, agent_options: { auth: 'me:x' } }, false],
    ['with credentials in its address', { url: 'https://me:x@registry.example/' }, false],
    ['with a token in its address', { url: 'https://registry.example/?token=x' }, false],
    ['of no shape', 'https://registry.example/', false],
  ])('%s', (_, uplink, expected) => {
    const privacy = privacyWith({ main: uplink }, { '*': open })
    expect(privacy.isPublic('left-pad', fromMain)).toBe(expected)
    expect(privacy.isProxiedPublic('left-pad')).toBe(expected)
  })

  test('left out of the list of public ones', () => {
    const packages = { '*': { access: ['$all'], proxy: ['main', 'inner'] } }
    const privacy = privacyWith({ main: { url }, inner: { url } }, packages, { uplinks: ['main'] })
    expect(privacy.isPublic('x', fromMain)).toBe(true)
    expect(privacy.isPublic('x', { isProxied: true, uplink: 'inner' })).toBe(false)
  })

  test('not on record: all that the package may come from must be public', () => {
    const uplinks = { main: { url }, secret: { url, auth: { token: 'x' } } }
    const unknown = { isProxied: true, uplink: undefined }
    const both = { access: ['$all'], proxy: ['main', 'secret'] }
    expect(privacyWith(uplinks, { '*': open }).isPublic('x', unknown)).toBe(true)
    expect(privacyWith(uplinks, { '*': both }).isPublic('x', unknown)).toBe(false)
    expect(privacyWith(uplinks, { '*': { access: ['$all'] } }).isPublic('x', unknown)).toBe(false)
  })

  test('that the configuration does not have', () => {
    expect(privacyWith({}, { '*': open }).isPublic('x', fromMain)).toBe(false)
  })
})

describe('access', () => {
  test.each([
    [['$all'], true],
    ['$all', true],
    [['$anonymous', 'team'], true],
    [['@all'], true],
    [['$authenticated'], false],
    [['all'], false],
    [['team'], false],
    [[], false],
    [undefined, false],
  ])('%j', (access, expected) => {
    const privacy = privacyWith({ main: { url } }, { '*': { access, proxy: ['main'] } })
    expect(privacy.isPublic('x', fromMain)).toBe(expected)
  })

  test('of no pattern, or no way to find out', () => {
    expect(privacyWith({ main: { url } }, {}).isPublic('x', fromMain)).toBe(false)
    const lists = { seed: [], private: [], uplinks: undefined }
    expect(createPrivacy({ uplinks: { main: { url } } }, lists).isPublic('x', fromMain)).toBe(false)
  })
})

describe('the lists', () => {
  const published = { isProxied: false, uplink: undefined }
  const uplinks = { main: { url } }

  test('what is published here is private unless listed', () => {
    expect(privacyWith(uplinks, { '*': open }).isPublic('@acme/ui', published)).toBe(false)
    const listed = privacyWith(uplinks, { '*': { access: ['team'] } }, { seed: ['@acme/*'] })
    expect(listed.isPublic('@acme/ui', published)).toBe(true)
    expect(listed.isPublic('@acme/ui', fromMain)).toBe(true)
    expect(listed.isPublic('@other/ui', published)).toBe(false)
  })

  test('what is withheld stays so, though it is public or listed', () => {
    const lists = { seed: ['*'], private: ['acme-*'] }
    const privacy = privacyWith(uplinks, { '*': open }, lists)
    expect(privacy.isPublic('acme-core', fromMain)).toBe(false)
    expect(privacy.isProxiedPublic('ACME-core')).toBe(false)
    expect(privacy.isPublic('core', published)).toBe(true)
  })

  test('a star stays within its part of the name, and a dot is a dot', () => {
    const privacy = privacyWith(uplinks, { '*': open }, { seed: ['*', 'a.b'] })
    expect(privacy.isPublic('@acme/ui', published)).toBe(false)
    const exact = privacyWith(uplinks, { '*': open }, { seed: ['a.b'] })
    expect(exact.isPublic('a.b', published)).toBe(true)
    expect(exact.isPublic('axb', published)).toBe(false)
  })
})

describe('the policy is another one', () => {
  const config = { uplinks: { main: { url } }, packages: { '**': open } }
  const lists: PrivacyLists = { seed: ['@acme/*'], private: [], uplinks: undefined }
  const policy = policyOf(config, lists)

  test.each([
    ['when access is restricted', { ...config, packages: { '**': { ...open, access: 'team' } } }],
    ['when an uplink is asked as well', { ...config, packages: { '**': { ...open, proxy: 'x' } } }],
    ['when a pattern is added', { ...config, packages: { 'a-*': open, ...config.packages } }],
    ['when an uplink gets credentials', { ...config, uplinks: { main: { url, auth: {} } } }],
  ])('%s', (_, changed) => {
    expect(policyOf(changed, lists)).not.toBe(policy)
  })

  test.each([{ private: ['acme-*'] }, { seed: [] }, { uplinks: [] }])('with %j', (changed) => {
    expect(policyOf(config, { ...lists, ...changed })).not.toBe(policy)
  })

  test('and the same one after a restart, whatever else is set', () => {
    const other = { ...config, max_body_size: '1mb', uplinks: { main: { url, maxage: '1m' } } }
    expect(policyOf(other, lists)).toBe(policy)
  })
})
