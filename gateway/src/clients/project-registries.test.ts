/** A daemon is asked only for what it would get where the project does: names from elsewhere may be private. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LockfileKind } from '../lockfiles/package-collector.ts'
import { DEFAULT_REGISTRY } from '../upstream/default-registry.ts'
import { isAskedThere, projectRegistries } from './project-registries.ts'

const CORP = 'https://npm.corp.invalid/'
const MIRROR = 'https://mirror.invalid/npm/'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'catalog-project-'))
  mkdirSync(join(root, 'home', 'project'), { recursive: true })
})
afterEach(() => rmSync(root, { recursive: true }))

const write = (path: string, text: string) => writeFileSync(join(root, 'home', path), text)
function wanted(kind: LockfileKind, names: readonly string[], env: Record<string, string> = {}) {
  const home = join(root, 'home')
  const context = { env, home, cwd: home, execPath: join(root, 'bin', 'node') }
  const of = projectRegistries(kind, join(home, 'project'), { ...context, platform: 'linux' })
  return names.map(of)
}

describe('where a project has its packages from', () => {
  test.each(['npm', 'pnpm', 'deno'] as const)('%s: its .npmrc, and the user’s', (kind) => {
    expect(wanted(kind, ['a', '@corp/x'])).toEqual([DEFAULT_REGISTRY, DEFAULT_REGISTRY])
    write('.npmrc', `registry=${MIRROR}\n`)
    write('project/.npmrc', `@corp:registry=${CORP}\n`)
    expect(wanted(kind, ['a', '@corp/x', '@b/x'])).toEqual([MIRROR, CORP, MIRROR])
  })

  test('pnpm: its workspace file before that', () => {
    write('project/.npmrc', `registry=${DEFAULT_REGISTRY}\n`)
    write('project/pnpm-workspace.yaml', `registries:\n  default: ${MIRROR}\n  '@corp': ${CORP}\n`)
    expect(wanted('pnpm', ['a', '@corp/x'])).toEqual([MIRROR, CORP])
    expect(wanted('npm', ['a', '@corp/x'])).toEqual([DEFAULT_REGISTRY, DEFAULT_REGISTRY])
  })

  test('Yarn: its own files, from the project upwards', () => {
    write('project/.npmrc', `registry=https://not-read.invalid/\n`)
    write('project/.yarnrc.yml', `npmScopes:\n  corp:\n    npmRegistryServer: ${CORP}\n  b: {}\n`)
    expect(wanted('yarn-berry', ['a', '@corp/x'])).toEqual([DEFAULT_REGISTRY, CORP])
    write('.yarnrc.yml', `npmRegistryServer: ${MIRROR}\n`)
    expect(wanted('yarn-berry', ['a', '@corp/x', '@b/x'])).toEqual([MIRROR, CORP, MIRROR])
    const env = { YARN_NPM_REGISTRY_SERVER: CORP }
    expect(wanted('yarn-berry', ['a'], env)).toEqual([CORP])
  })

  test('Bun: what its lockfile says nothing of is public', () => {
    write('project/.npmrc', `registry=${MIRROR}\n`)
    expect(wanted('bun', ['a'])).toEqual([DEFAULT_REGISTRY])
  })

  test.each(['npmScopes: [', 'npmScopes: 5', 'npmRegistryServer: [a]'])(
    'is not guessed from %s',
    (text) => {
      write('project/.yarnrc.yml', text)
      expect(wanted('yarn-berry', ['a', '@corp/x'])).toEqual([undefined, undefined])
    },
  )
})

test.each([
  ['the public registry', '@corp/x', DEFAULT_REGISTRY, true],
  ['the daemon itself', '@other/x', 'http://localhost:4874/', true],
  ['what the daemon has for the scope', '@corp/x', CORP, true],
  ['the same, without its slash', '@corp/x', CORP.slice(0, -1), true],
  ['what the daemon has for another scope', '@other/x', CORP, false],
  ['what the daemon has for the rest', 'x', MIRROR, true],
  ['what the daemon has for the rest, of a scope that it has elsewhere', '@corp/x', MIRROR, false],
  ['another path of that host', 'x', new URL('/private/', MIRROR).href, false],
  ['a registry that the daemon does not know', '@other/x', 'https://other.invalid/', false],
  ['no URL', 'x', '${REGISTRY}', false],
  ['nothing that was understood', 'x', undefined, false],
])('%s: %s at %s', (_what, name, registry, expected) => {
  const registries = [
    { scope: null, url: MIRROR },
    { scope: '@corp', url: CORP },
  ]
  expect(isAskedThere(name, registry, { hosts: ['localhost:4874'], registries })).toBe(expected)
})
