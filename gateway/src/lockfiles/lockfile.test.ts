import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CatalogError, isCatalogError, isDigest } from '@catalog-p2p/core'
import { MAX_LOCKFILE_LENGTH, parseLockfile } from './lockfile.ts'
import type { LockfilePackages } from './package-collector.ts'
import { selectPackages } from './select.ts'

const LINUX = { os: 'linux', cpu: 'x64', libc: 'glibc' }
const HOSTS = ['registry.example.test']

function fixture(path: string): string {
  return readFileSync(new URL(`fixtures/${path}`, import.meta.url), 'utf8')
}

function parseFixture(path: string): LockfilePackages {
  return parseLockfile(path, fixture(path))
}

function names(packages: LockfilePackages['packages']): string[] {
  return packages.map(({ name, version }) => `${name}@${version}`).sort()
}

function reasons(lock: LockfilePackages): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { reason } of lock.skipped) counts[reason] = (counts[reason] ?? 0) + 1
  return counts
}

const EVERYTHING = [
  '@native/darwin-arm64@0.21.5',
  '@native/linux-x64@0.21.5',
  '@native/linux-x64-musl@0.21.5',
  '@scope/util@2.0.1',
  'left@1.3.0',
  'nowin@4.0.0',
  'number@6.0.0',
  'number@7.0.0',
  'old@0.0.1',
  'other@1.0.0',
].sort()
const without = (...left: string[]): string[] => EVERYTHING.filter((name) => !left.includes(name))

describe('parseLockfile', () => {
  test.each<[string, string, string[], Record<string, number>]>([
    [
      'npm-v3/package-lock.json',
      'npm',
      EVERYTHING,
      { workspace: 1, link: 1, bundled: 1, git: 1, file: 1 },
    ],
    ['npm-v2/package-lock.json', 'npm', ['left@1.3.0'], {}],
    [
      'npm-v1/npm-shrinkwrap.json',
      'npm',
      ['@scope/util@2.0.1', 'left@1.3.0', 'number@6.0.0', 'number@7.0.0'],
      { bundled: 1, git: 1, file: 1, tarball: 1 },
    ],
    [
      'pnpm-v9/pnpm-lock.yaml',
      'pnpm',
      without('nowin@4.0.0', 'old@0.0.1'),
      { link: 1, git: 1, file: 2, tarball: 1 },
    ],
    [
      'pnpm-v6/pnpm-lock.yaml',
      'pnpm',
      ['@scope/util@2.0.1', 'left@1.3.0', 'number@6.0.0'],
      { tarball: 1 },
    ],
    ['pnpm-two-documents/pnpm-lock.yaml', 'pnpm', ['@scope/util@2.0.1', 'left@1.3.0'], {}],
    [
      'yarn-v1/yarn.lock',
      'yarn-v1',
      EVERYTHING.filter((name) => !/native|nowin/.test(name)),
      { file: 1, git: 2 },
    ],
    [
      'yarn-berry/yarn.lock',
      'yarn-berry',
      without('old@0.0.1'),
      { workspace: 2, git: 1, patch: 1, tarball: 1 },
    ],
    [
      'bun/bun.lock',
      'bun',
      without('@native/linux-x64-musl@0.21.5', 'nowin@4.0.0', 'old@0.0.1'),
      { workspace: 1, file: 1, git: 2, bundled: 1, tarball: 1 },
    ],
    [
      'deno/deno.lock',
      'deno',
      without('@native/linux-x64-musl@0.21.5', 'nowin@4.0.0', 'old@0.0.1'),
      { jsr: 1 },
    ],
    ['deno-v3/deno.lock', 'deno', ['left@1.3.0', 'number@6.0.0'], {}],
  ])('%s', (path, kind, packages, skipped) => {
    const lock = parseFixture(path)
    expect(lock.kind).toBe(kind)
    expect(names(lock.packages)).toEqual(packages)
    expect(reasons(lock)).toEqual(skipped)
  })

  test('all formats agree on the digests, which are those of the lockfile', () => {
    const seen = new Map<string, Set<string>>()
    for (const path of [
      'npm-v3/package-lock.json',
      'npm-v1/npm-shrinkwrap.json',
      'pnpm-v9/pnpm-lock.yaml',
      'pnpm-v6/pnpm-lock.yaml',
      'yarn-v1/yarn.lock',
      'bun/bun.lock',
      'deno/deno.lock',
    ]) {
      for (const { name, version, integrity } of parseFixture(path).packages) {
        if (integrity === undefined || name === 'old') continue
        expect(isDigest(integrity)).toBe(true)
        const id = `${name}@${version}`
        seen.set(id, (seen.get(id) ?? new Set()).add(integrity))
      }
    }
    expect(seen.size).toBe(9)
    for (const digests of seen.values()) expect(digests.size).toBe(1)
  })

  test('Berry has no digest of the tarball, and yarn.lock of any kind no absolute URL but others', () => {
    const { packages } = parseFixture('yarn-berry/yarn.lock')
    expect(packages.some((entry) => entry.integrity !== undefined)).toBe(false)
    const withUrl = packages.filter((entry) => entry.url !== undefined)
    expect(withUrl).toEqual([
      {
        name: 'other',
        version: '1.0.0',
        url: 'https://npm.elsewhere.test/other/-/other-1.0.0.tgz',
      },
    ])
  })

  test('the project of 1,284 packages: 1,150 artifacts on this platform', () => {
    const file = new URL('../../../test/fixtures/web-app/package-lock.json', import.meta.url)
    const lock = parseLockfile('package-lock.json', readFileSync(file, 'utf8'))
    expect(lock.packages.every(({ integrity }) => isDigest(integrity ?? ''))).toBe(true)
    const { packages, skipped } = selectPackages(lock, {
      platform: LINUX,
      hosts: HOSTS,
      isAskedThere,
    })
    expect(packages).toHaveLength(1150)
    expect(skipped).toEqual({ platform: 31 })
  })
})

const isAskedThere = (): boolean => true

describe('selectPackages', () => {
  test.each([
    'npm-v3/package-lock.json',
    'pnpm-v9/pnpm-lock.yaml',
    'yarn-berry/yarn.lock',
    'bun/bun.lock',
    'deno/deno.lock',
  ])('%s: this platform, and no foreign hosts', (path) => {
    const { packages, skipped } = selectPackages(parseFixture(path), {
      platform: LINUX,
      hosts: HOSTS,
      isAskedThere,
    })
    const found = names(packages)
    expect(found).toContain('@native/linux-x64@0.21.5')
    expect(found).not.toContain('@native/linux-x64-musl@0.21.5')
    expect(found).not.toContain('@native/darwin-arm64@0.21.5')
    expect(found).not.toContain('other@1.0.0')
    expect(skipped['other-host']).toBe(1)
    expect(skipped.platform).toBeGreaterThan(0)
  })

  test('musl, another system, every platform, another host', () => {
    const lock = parseFixture('npm-v3/package-lock.json')
    const chosen = (platform: typeof LINUX | undefined, hosts: string[]): string[] =>
      names(selectPackages(lock, { platform, hosts, isAskedThere }).packages)
    expect(chosen({ ...LINUX, libc: 'musl' }, HOSTS)).toContain('@native/linux-x64-musl@0.21.5')
    expect(chosen({ ...LINUX, os: 'win32' }, HOSTS)).not.toContain('nowin@4.0.0')
    expect(chosen(undefined, HOSTS)).toEqual(without('other@1.0.0'))
    expect(chosen(undefined, [...HOSTS, 'NPM.elsewhere.test'])).toEqual(EVERYTHING)
    expect(chosen(undefined, [])).toEqual([])
  })

  test('what has no URL is left out when the project has it from somewhere else', () => {
    const lock = parseFixture('pnpm-v9/pnpm-lock.yaml')
    const isNative = (name: string): boolean => name.startsWith('@native/')
    const { packages, skipped } = selectPackages(lock, {
      ...{ platform: undefined, hosts: [], isAskedThere: isNative },
    })
    expect(packages.every(({ name }) => isNative(name))).toBe(true)
    expect(packages).not.toEqual([])
    expect(skipped['other-host']).toBe(lock.packages.length - packages.length)
  })

  test.each([
    ['com', 5],
    // Whoever has this domain may have private packages there.
    ['test', 0],
    ['com.example.test', 0],
  ])(
    "Yarn 1's own alias of the public registry is that, and nothing like it: .%s",
    (end, count) => {
      const host = ['registry', 'yarnpkg', end].join('.')
      const text = fixture('yarn-v1/yarn.lock').replaceAll('registry.example.test', host)
      const lock = parseLockfile('yarn.lock', text)
      const { packages, skipped } = selectPackages(lock, {
        platform: undefined,
        hosts: [],
        isAskedThere,
      })
      expect(packages).toHaveLength(count)
      expect(skipped['other-host']).toBe(6 - count)
    },
  )
})

describe('what is wrong is named', () => {
  test.each([
    ['package-lock.json', '{"lockfileVersion": 3,\n "packages": {,}}', /line 2, column 15/],
    ['package-lock.json', '{"lockfileVersion": 3, "packages":', /line 1: ends too early/],
    [
      'package-lock.json',
      '{"packages": {"node_modules/a": 5}}',
      /packages\["node_modules\/a"\]: .*number/,
    ],
    ['package-lock.json', '{"packages": {"node_modules/a": {"resolved": 5}}}', /a"\]\.resolved: /],
    ['package-lock.json', '[]', /expected an object, got a list/],
    ['package-lock.json', '{}', /lockfileVersion: missing/],
    [
      'package-lock.json',
      '{"dependencies": {"a": {"dependencies": {"b": 1}}}}',
      /\["a"\].*\["b"\]/,
    ],
    ['pnpm-lock.yaml', "lockfileVersion: '5.4'\n", /lockfileVersion: got 5\.4/],
    ['pnpm-lock.yaml', '', /empty/],
    ['pnpm-lock.yaml', 'a: [\n', /not YAML.*line 2/],
    [
      'pnpm-lock.yaml',
      "lockfileVersion: '9.0'\npackages: {a@1.0.0: {}}\n",
      /a@1\.0\.0"\]\.resolution/,
    ],
    ['yarn.lock', 'a@1:\n  version "1.0.0"\n\nb@1\n', /line 4: expected/],
    ['yarn.lock', 'a@1:\n  resolved "x"\n', /"a@1" has no version/],
    ['yarn.lock', '  version "1"\n', /line 1/],
    ['yarn.lock', '<<<<<<< HEAD\n', /line 1: a merge conflict/],
    ['yarn.lock', '__metadata:\n  version: 8\na: 1\n', /^yarn\.lock: a: expected an object/],
    ['bun.lock', '{"packages": {"a": {}}}', /packages\["a"\]: expected a list/],
    ['bun.lock', '{"a": 1 /* open', /line 1/],
    ['deno.lock', '{"npm": {}}', /version: missing/],
    ['Gemfile.lock', '', /not a lockfile/],
    ['bun.lockb', '', /not a lockfile/],
  ])('%s: %j', (name, text, message) => {
    let caught: unknown
    try {
      parseLockfile(name, text)
    } catch (error) {
      caught = error
    }
    expect(caught).toBeInstanceOf(CatalogError)
    expect(caught).toMatchObject({ code: 'INVALID_LOCKFILE' })
    expect((caught as Error).message).toMatch(message)
    expect((caught as Error).message).toContain(name)
  })

  test('too large', () => {
    const text = ' '.repeat(MAX_LOCKFILE_LENGTH + 1)
    expect(() => parseLockfile('yarn.lock', text)).toThrow(/larger than 64 MiB/)
  })

  test('names and versions that npm would not accept are left out, not passed on', () => {
    const entries = {
      'node_modules/..': { version: '1.0.0' },
      'node_modules/a b': { version: '1.0.0' },
      'node_modules/a': { version: '../../x' },
      'node_modules/b': { name: '@s/../c', version: '1.0.0' },
      'node_modules/ok': { version: '1.0.0' },
    }
    const lock = parseLockfile('package-lock.json', JSON.stringify({ packages: entries }))
    expect(names(lock.packages)).toEqual(['ok@1.0.0'])
    expect(reasons(lock)).toEqual({ unreadable: 4 })
  })

  test('a byte order mark and Windows line ends do no harm', () => {
    for (const path of ['yarn-v1/yarn.lock', 'yarn-berry/yarn.lock', 'npm-v3/package-lock.json']) {
      const text = `\uFEFF${fixture(path).replaceAll('\n', '\r\n')}`
      expect(parseLockfile(path, text)).toEqual(parseFixture(path))
    }
  })
})

// Before, each of these kept one processor busy for hours: a test that fails here does not end.
test.each([
  ['line comments and no end', 'bun.lock', `{"a": 1,${'//'.repeat(50)}\nx}`],
  ['block comments and no end', 'bun.lock', `{"a": 1,${'/**/'.repeat(50)}x}`],
  ['block comments left open', 'bun.lock', `{"a": 1}${'/*/'.repeat(1_000_000)}`],
  ['a text left open', 'bun.lock', `{"a": "${'\\"'.repeat(1_000_000)}`],
  ['a value after much space', 'yarn.lock', `a@1:\n  version ${' '.repeat(1_000_000)}1\u2028`],
  [
    'an address of signs',
    'yarn.lock',
    `a@1:\n  version "1.0.0"\n  resolved ${'#'.repeat(1_000_000)}\u2028`,
  ],
])('%s: read in one pass', (_, name, text) => {
  const read = (): unknown => {
    try {
      return parseLockfile(name, text).packages
    } catch (error) {
      return error
    }
  }
  expect(read()).toSatisfy(
    (result) => Array.isArray(result) || isCatalogError(result, 'INVALID_LOCKFILE'),
  )
})

test('what looks like a comment or a trailing comma in a text stays', () => {
  const text = `{
    // "packages": 1,
    "lockfileVersion": 1, /* , } */
    "packages": { "a": ["a@1.0.0", "http://h.test/,]//x/*y*/", { "x": ",}", }, "i-1", /* , */ ], },
  }`
  expect(parseLockfile('bun.lock', text).packages).toEqual([
    { name: 'a', version: '1.0.0', integrity: 'i-1', url: 'http://h.test/,]//x/*y*/' },
  ])
})

const NAMES = ['package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock', 'deno.lock']

test('whatever the text, the answer is a list or INVALID_LOCKFILE', () => {
  const noise = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.json(),
    // A real file with a piece cut out or turned round.
    fc
      .record({
        path: fc.constantFrom('npm-v3/package-lock.json', 'pnpm-v9/pnpm-lock.yaml', 'bun/bun.lock'),
        at: fc.nat(2000),
        length: fc.nat(50),
        put: fc.string({ maxLength: 5 }),
      })
      .map(({ path, at, length, put }) => {
        const text = fixture(path)
        return text.slice(0, at) + put + text.slice(at + length)
      }),
  )
  fc.assert(
    fc.property(fc.constantFrom(...NAMES), noise, (name, text) => {
      try {
        expect(Array.isArray(parseLockfile(name, text).packages)).toBe(true)
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_LOCKFILE' })
      }
    }),
    { numRuns: 500 },
  )
})
