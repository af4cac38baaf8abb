/**
 * The rules that keep the tree readable, as a test: who may import whom, no cycles, small files, no
 * dumping grounds, and nothing in the repository that ties it to one registry or one machine.
 * A rule that stands in the way is changed here, with its reason, not worked around.
 */
import { homedir, tmpdir } from 'node:os'
import { dirname, sep } from 'node:path'
import { describe, expect, test } from 'vitest'
import { publicRegistry } from './support/registries/registry.ts'
import {
  findCycle,
  importsOf,
  readCode,
  readText,
  repositoryRoot,
  trackedFiles,
} from './support/source-tree.ts'

const tracked = trackedFiles()
const isTest = (path: string): boolean => /\.(test|contract)\.ts$/.test(path)
const sources = tracked.filter(
  (path) => /^(core|gateway|plugins\/[^/]+)\/src\/.*\.ts$/.test(path) && !isTest(path),
)
const edges = sources.flatMap((path) => importsOf(path).map((each) => ({ path, ...each })))

/** By `core/content` or `core/errors`, as the table of ARCHITECTURE.md has it: what may be imported of the same package. */
const TABLE = readImportTable()

describe('imports', () => {
  test('follow the table of ARCHITECTURE.md, types too', () => {
    const wrong = edges.flatMap(({ path, target }) => {
      const [from, to] = [roomOf(path), roomOf(target ?? '')]
      if (from === undefined || to === undefined || from.package !== to.package) return []
      if (from.folder !== '' && from.folder === to.folder) return []
      const allowed = TABLE.get(`${from.package}/${from.folder || from.file}`)
      if (allowed === 'everything') return []
      const names = to.folder === '' ? [to.file] : [to.folder, `${to.folder}/${to.file}`]
      return names.some((name) => allowed?.includes(name)) ? [] : [`${path} -> ${target}`]
    })
    expect(wrong).toEqual([])
  })

  test('are told in the table for every folder', () => {
    const folders = sources.flatMap((path) => {
      const room = roomOf(path)
      return room === undefined || room.folder === '' ? [] : [`${room.package}/${room.folder}`]
    })
    expect([...new Set(folders)].filter((folder) => !TABLE.has(folder))).toEqual([])
  })

  test('of one package by another go through its root', () => {
    const wrong = edges.flatMap(({ path, specifier, target }) => {
      const home = path.split('/src/')[0] ?? ''
      const leaves = target !== undefined && !target.startsWith(`${home}/src/`)
      const isDeep = /^@catalog-p2p\/[^/]+\/./.test(specifier)
      const isUpwards = home === 'core' && specifier.startsWith('@catalog-p2p/')
      return leaves || isDeep || isUpwards ? [`${path} -> ${specifier}`] : []
    })
    expect(wrong).toEqual([])
  })

  test('of the network library stay in core/src/host', () => {
    const wrong = edges.filter(
      ({ path, specifier }) =>
        /^(libp2p$|@libp2p\/|@chainsafe\/|@multiformats\/)/.test(specifier) &&
        !path.startsWith('core/src/host/'),
    )
    expect(wrong.map((each) => `${each.path} -> ${each.specifier}`)).toEqual([])
  })

  test('of a memory implementation come from its own folder and from node.ts only', () => {
    const wrong = edges.filter(
      ({ path, target }) =>
        /\/memory-(store|host|discovery)\.ts$/.test(target ?? '') &&
        path !== 'core/src/node.ts' &&
        !/\/memory-[^/]+\.ts$/.test(path),
    )
    expect(wrong.map((each) => `${each.path} -> ${each.target}`)).toEqual([])
  })

  test('of a test or its support never stand in production code', () => {
    const wrong = edges.filter(({ specifier }) => /\.test\.ts$|(^|\/)test\//.test(specifier))
    expect(wrong.map((each) => `${each.path} -> ${each.specifier}`)).toEqual([])
  })

  test('make no cycles, not even of types', () => {
    const graph = new Map(sources.map((path) => [path, [] as string[]]))
    for (const { path, target } of edges) {
      if (target !== undefined) graph.get(path)?.push(target)
    }
    expect(findCycle(graph)).toBeUndefined()
  })
})

describe('files', () => {
  const code = tracked.filter((path) => /\.(ts|mjs|cjs|js)$/.test(path) && !isTest(path))

  test('have at most 300 lines', () => {
    const lengths = code.map((path) => ({ path, lines: readText(path).split('\n').length - 1 }))
    expect(lengths.filter(({ lines }) => lines > 300)).toEqual([])
  })

  test('are named after the one thing they hold', () => {
    const banned =
      /^(utils?|helpers?|common|misc|types|constants|[\w-]*manager|index)\.(ts|js|mjs|cjs)$/
    const isPackageRoot = (path: string): boolean => /\/src\/index\.ts$/.test(path)
    const wrong = code.filter(
      (path) =>
        (banned.test(path.split('/').at(-1) ?? '') && !isPackageRoot(path)) ||
        !/^[a-z0-9.-]+$/.test(path.split('/').at(-1) ?? ''),
    )
    expect(wrong).toEqual([])
  })

  test('of the packages touch the process only in the command line and the options', () => {
    const allowed =
      /^(gateway\/src\/(cli\.ts|cli\/.*|clients\/pnpm\/pnpmfile\.ts|options\.ts|upstream\/npmrc\.ts)|plugins\/yarn\/src\/index\.ts)$/
    const wrong = sources.filter(
      (path) => !allowed.test(path) && /\bprocess\.(exit\(|env\b|argv\b)/.test(readCode(path)),
    )
    expect(wrong).toEqual([])
  })
})

describe('the repository', () => {
  const texts = tracked
    .filter((path) => !/\.(tgz|png|gz|bin|ico|jpg)$/.test(path))
    .map((path) => ({ path, text: readText(path) }))
  const filesWith = (isFound: (text: string) => boolean): string[] =>
    texts.filter(({ text }) => isFound(text)).map(({ path }) => path)

  test("names no package registry's host", () => {
    const host = new URL(publicRegistry()).host
    const likeARegistry = /\bregistry\.(?!example\.)[a-z0-9-]+\.(com|org|net|dev|io)\b/
    expect(filesWith((text) => text.includes(host) || likeARegistry.test(text))).toEqual([])
  })

  test('names no folder of this machine', () => {
    const tooShort = new Set(['/', '/root/', `${tmpdir()}${sep}`])
    const folders = [repositoryRoot, dirname(repositoryRoot) + sep, homedir() + sep].filter(
      (each) => !tooShort.has(each),
    )
    expect(filesWith((text) => folders.some((each) => text.includes(each)))).toEqual([])
  })

  test('locks dependencies without the address they came from', () => {
    const locks = tracked.filter(
      (path) => path.endsWith('package-lock.json') && !path.includes('/fixtures/'),
    )
    const withAddress = locks.filter((path) => {
      const { packages } = JSON.parse(readText(path)) as {
        packages: Record<string, { resolved?: string; link?: boolean }>
      }
      return Object.values(packages).some((each) => each.resolved?.includes('://'))
    })
    expect(withAddress).toEqual([])
  })

  test('has at most ten scripts a package', () => {
    const manifests = tracked.filter((path) => path.endsWith('package.json'))
    const counts = manifests.map((path) => {
      const { scripts = {} } = JSON.parse(readText(path)) as { scripts?: object }
      return { path, scripts: Object.keys(scripts).length }
    })
    expect(counts.filter(({ scripts }) => scripts > 10)).toEqual([])
  })
})

interface Room {
  readonly package: string
  /** '': directly in src. */
  readonly folder: string
  readonly file: string
}

/** Where a file of core or the gateway stands; folders inside of folders count as one. */
function roomOf(path: string): Room | undefined {
  const [, home, rest] = /^(core|gateway)\/src\/(.+)\.ts$/.exec(path) ?? []
  if (home === undefined || rest === undefined) return undefined
  const [folder = '', ...inner] = rest.split('/')
  if (inner.length === 0) return { package: home, folder: '', file: folder }
  return { package: home, folder, file: inner.join('/') }
}

function readImportTable(): ReadonlyMap<string, readonly string[] | 'everything'> {
  const rows = readText('ARCHITECTURE.md').matchAll(
    /^\| `(core|gateway)\/src\/([\w-]+)(?:\.ts)?` *\|[^|]*\| (.*?) *\|$/gm,
  )
  const table = new Map<string, readonly string[] | 'everything'>([
    ['core/index', 'everything'],
    ...sources.flatMap((path): [string, 'everything'][] => {
      const room = roomOf(path)
      return room?.package === 'gateway' && room.folder === ''
        ? [[`gateway/${room.file}`, 'everything']]
        : []
    }),
  ])
  for (const [, home = '', room = '', may = ''] of rows) {
    const names = [...may.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
    table.set(`${home}/${room}`, may.startsWith('everything') ? 'everything' : names)
  }
  return table
}
