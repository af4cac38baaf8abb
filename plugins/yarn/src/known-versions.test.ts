import { describe, expect, test } from 'vitest'
import { KnownVersions } from './known-versions.ts'

const registry = 'https://main.invalid'
const registries = { urls: [registry], of: () => registry }
const home = { name: 'pkg', registry }
const sri = (letter: string): string => `sha512-${letter.repeat(86)}==`

test('hashes are of one registry, one name, one version', () => {
  const known = new KnownVersions()
  known.learn(
    home,
    { versions: { '1.0.0': { dist: { integrity: sri('A') } }, '2.0.0': {} } },
    'daemon',
  )
  expect(known.find({ ...home, version: '1.0.0' })).toEqual({
    integrity: sri('A'),
    source: 'daemon',
  })
  expect(known.find({ ...home, version: '2.0.0' })?.integrity).toBeUndefined()
  expect(known.find({ ...home, version: '3.0.0' })).toBeUndefined()
  expect(known.find({ ...home, registry: 'https://b.invalid', version: '1.0.0' })).toBeUndefined()
  expect(known.find({ ...home, name: 'other', version: '1.0.0' })).toBeUndefined()
})

test('newer metadata replaces older', () => {
  const known = new KnownVersions()
  known.learn(home, { versions: { '1.0.0': { dist: { integrity: sri('A') } } } }, 'daemon')
  known.learn(home, { versions: { '1.0.0': { dist: { integrity: sri('B') } } } }, 'registry')
  expect(known.find({ ...home, version: '1.0.0' })).toEqual({
    integrity: sri('B'),
    source: 'registry',
  })
})

test('tarballs at unusual addresses are known by address, other places by their root', () => {
  const known = new KnownVersions()
  const odd = 'https://main.invalid/pkg/download/1'
  const dist = (tarball: string) => ({ dist: { tarball } })
  known.learnLocations(
    { ...home, ...{ kind: 'packument' } },
    {
      versions: {
        '1.0.0': dist(odd),
        '1.1.0': dist('https://main.invalid/pkg/-/pkg-1.1.0.tgz'),
        '1.2.0': dist('https://cdn.invalid/x/pkg/-/pkg-1.2.0.tgz'),
        '1.3.0': dist('https://cdn.invalid/x/pkg/-/pkg-1.3.0.tgz'),
      },
    },
    registries,
  )
  expect(known.locate(new URL(odd), registries)).toEqual({
    kind: 'tarball',
    version: '1.0.0',
    ...home,
  })
  expect(known.tarballBases()).toEqual([{ url: 'https://cdn.invalid/x', registry }])
})

describe('an address of somebody else', () => {
  const evil = { kind: 'tarball', name: 'evil', version: '1.0.0', registry } as const
  const claiming = (url: string) => ({ versions: { '1.0.0': { dist: { tarball: url } } } })

  test.each(['https://main.invalid/victim/-/victim-1.0.0.tgz', 'https://main.invalid/victim'])(
    'stays theirs where it is a usual one: %s',
    (url) => {
      const known = new KnownVersions()
      known.learnLocations(evil, claiming(url), registries)
      known.learnLocation(url, evil, registries)
      expect(known.locate(new URL(url), { urls: [], of: () => registry })).toBeUndefined()
    },
  )

  test('stays theirs in a place where a registry keeps its tarballs', () => {
    const known = new KnownVersions()
    const url = 'https://cdn.invalid/victim/-/victim-1.0.0.tgz'
    known.learnLocations(evil, claiming(url), registries)
    known.learnLocations({ ...evil, name: 'victim' }, claiming(url), registries)
    expect(known.locate(new URL(url), registries)).toMatchObject({ name: 'victim' })
  })

  test('is nobody’s where two packages claim it, in whatever order and however often', () => {
    const known = new KnownVersions()
    const url = new URL('https://cdn.invalid/download/1')
    const victim = { ...evil, name: 'victim' }
    known.learnLocation(url.href, evil, registries)
    known.learnLocation(url.href, evil, registries)
    expect(known.locate(url, registries)).toEqual(evil)
    for (const route of [victim, evil, evil, victim]) {
      known.learnLocation(url.href, route, registries)
      expect(known.locate(url, registries)).toBeUndefined()
    }
  })

  test('stays what it is where the project names the URL itself', () => {
    const known = new KnownVersions()
    const urls = ['https://git.invalid/x/archive/1.tgz', 'https://cdn.invalid/x/-/x-1.0.0.tgz']
    for (const url of urls) {
      known.learnDirect(`${url}#commit::locator=root`)
      known.learnLocation(url, evil, registries)
      known.learnLocations(evil, claiming('https://cdn.invalid/evil/-/evil-1.0.0.tgz'), registries)
      expect(known.locate(new URL(url), registries)).toBeUndefined()
    }
  })
})

test('a version is locked only if all entries of it are', () => {
  const known = new KnownVersions()
  known.learnLocked('a', '1.0.0', true)
  known.learnLocked('b', '1.0.0', true)
  known.learnLocked('b', '1.0.0', false)
  known.learnLocked('b', '1.0.0', true)
  expect(known.isLocked('a', '1.0.0')).toBe(true)
  expect(known.isLocked('b', '1.0.0')).toBe(false)
  expect(known.isLocked('c', '1.0.0')).toBe(false)
  known.forgetLocked()
  expect(known.isLocked('a', '1.0.0')).toBe(false)
})
