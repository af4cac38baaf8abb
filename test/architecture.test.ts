/**
 * The rules that keep the tree readable, as a test: who may import whom, no cycles, small files, no
 * dumping grounds, and nothing in the repository that ties it to one registry or one machine.
 * A rule that stands in the way is changed here, with its reason, not worked around.
 */
import { homedir, tmpdir } from 'node:os'
import { dirname, sep } from 'node:path'
import { describe, expect, test } from 'vitest'
import { publicRegistry } from './support/registry.ts'
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

/** What the files of a folder of core/src may import of ours: other folders, or single files. */
const FOLDERS: Readonly<Record<string, readonly string[]>> = {
  content: ['errors'],
  timing: ['errors'],
  wire: ['errors', 'content', 'host/host', 'host/address-scope'],
  limits: ['timing', 'log'],
  disk: ['errors'],
  store: ['errors', 'log', 'options', 'timing', 'content', 'disk', 'limits'],
  host: ['errors', 'log', 'options', 'timing', 'content', 'limits', 'disk'],
  rpc: ['errors', 'log', 'wire', 'timing', 'host/host'],
  discovery: [
    ...['errors', 'log', 'options', 'timing', 'content', 'limits', 'wire', 'rpc'],
    ...['host/host', 'host/address-scope'],
  ],
  transfer: [
    ...['errors', 'log', 'options', 'api', 'timing', 'content', 'limits', 'wire', 'disk'],
    ...['store/store', 'host/host', 'discovery/discovery'],
  ],
  seeding: [
    ...['errors', 'log', 'options', 'timing', 'content'],
    ...['store/store', 'host/host', 'discovery/discovery'],
  ],
}

/** The same for the files that stand directly in core/src; node and index may import everything. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  log: [],
  lifecycle: ['timing', 'log'],
  options: ['errors', 'log'],
  api: ['content/digest', 'store/store', 'host/host'],
}

/** Files of gateway/src that each of its folders may import. */
const GATEWAY_FILES = ['single-flight', 'replace-file', 'regular-file']

/** The same for the folders of gateway/src, but for types. */
const GATEWAY_FOLDERS: Readonly<Record<string, readonly string[]>> = {
  http: [],
  upstream: ['http'],
  packuments: ['http', 'upstream'],
  artifacts: ['http', 'upstream', 'packuments', 'keys'],
  'registry-api': ['http', 'upstream', 'packuments'],
  keys: ['http', 'upstream'],
  hints: ['http', 'packuments'],
  admin: ['http', 'upstream'],
  lockfiles: ['upstream'],
  config: ['options'],
}

describe('imports', () => {
  test('within core follow the table', () => {
    const wrong = edges.flatMap(({ path, target }) => {
      if (target === undefined || !path.startsWith('core/src/')) return []
      const from = roomOf(path)
      const allowed = FOLDERS[from.folder] ?? FILES[from.file]
      if (allowed === undefined) return ['node', 'index'].includes(from.file) ? [] : [path]
      const to = roomOf(target)
      const isAllowed =
        (from.folder !== '' && to.folder === from.folder) ||
        allowed.includes(to.folder === '' ? to.file : to.folder) ||
        allowed.includes(`${to.folder}/${to.file}`)
      return isAllowed ? [] : [`${path} -> ${target}`]
    })
    expect(wrong).toEqual([])
  })

  test('within the gateway go down from the command line to HTTP', () => {
    const wrong = edges.flatMap(({ path, target, isTypeOnly }) => {
      if (isTypeOnly || target === undefined || !path.startsWith('gateway/src/')) return []
      const [from, to] = [roomOf(path), roomOf(target)]
      if (from.folder === '' || from.folder === 'cli' || from.folder === to.folder) return []
      const isAllowed =
        to.folder === ''
          ? [...GATEWAY_FILES, ...(GATEWAY_FOLDERS[from.folder] ?? [])].includes(to.file)
          : GATEWAY_FOLDERS[from.folder]?.includes(to.folder)
      return isAllowed ? [] : [`${path} -> ${target}`]
    })
    expect(wrong).toEqual([])
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

  // Types are erased, so a part may name a type of its owner; code that needs each other is one file.
  test('of code make no cycles', () => {
    const graph = new Map(sources.map((path) => [path, [] as string[]]))
    for (const { path, target, isTypeOnly } of edges) {
      if (target !== undefined && !isTypeOnly) graph.get(path)?.push(target)
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
      /^(gateway\/src\/(cli\.ts|cli\/.*|options\.ts|upstream\/npmrc\.ts)|plugins\/yarn\/src\/index\.ts)$/
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

function roomOf(path: string): { folder: string; file: string } {
  const [folder = '', file] = path.replace(/^(core|gateway)\/src\//, '').split('/')
  return file === undefined
    ? { folder: '', file: folder.replace(/\.ts$/, '') }
    : { folder, file: file.replace(/\.ts$/, '') }
}
