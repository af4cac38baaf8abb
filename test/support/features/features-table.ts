/**
 * What each client can do, as data: the arguments that do it, or why that client can't. features.test.ts runs every cell, and
 * docs/clients.md holds the table made from this: a cell is tested, or says what the client lacks, never left out.
 */
import { join } from 'node:path'
import type { ClientName } from '../clients.ts'

export const FEATURES = {
  install: 'install',
  frozen: 'ci, frozen lockfile',
  add: 'add',
  update: 'update',
  remove: 'remove',
  info: 'info, view',
  audit: 'audit',
  tags: 'dist-tag ls',
  search: 'search',
  exec: 'exec, dlx',
  publish: 'publish',
  gone: 'install, registry gone, never seen here: from a peer',
  goneFrozen: 'ci, frozen lockfile, the same',
} as const

/** With the arguments of another feature, on a machine without a registry. */
const SAME = { gone: 'install', goneFrozen: 'frozen' } as const

export type Feature = keyof typeof FEATURES

/** Arguments; `direct`: the client sends them past the gateway, to the registry itself; `lacks`: it has no such thing. */
export type Cell =
  | readonly string[]
  | { readonly direct: readonly string[]; readonly why: string }
  | { readonly lacks: string }

/** How the client meets the gateway. */
export type Mode = 'registry' | 'plugin' | 'behind-verdaccio'

export interface Column {
  readonly title: string
  readonly client: ClientName
  readonly mode: Mode
  readonly cells: Readonly<Record<Feature, Cell>>
  /** Beside client.ts's, for what needs somebody to be logged in. */
  readonly loggedIn: (token: string, registry: string) => Readonly<Record<string, string>>
}

interface GivenColumn extends Omit<Column, 'cells'> {
  readonly cells: Readonly<Record<Exclude<Feature, keyof typeof SAME>, Cell>>
}

/** The project's packages; features.test.ts has them made. */
export const NAMES = {
  locked: 'fx-leaf',
  added: 'fx-colors',
  tool: '@fx/tool',
  toolSays: 'hello from the fixture tool',
} as const

const { locked, added, tool } = NAMES

function npm(major: 10 | 11 | 12): GivenColumn {
  return {
    title: `npm ${major}`,
    client: `npm-${major}`,
    mode: 'registry',
    loggedIn: npmToken,
    cells: {
      install: ['install'],
      frozen: ['ci'],
      add: ['install', added],
      update: ['update', locked],
      remove: ['uninstall', added],
      info: ['view', locked],
      audit: ['audit'],
      tags: ['dist-tag', 'ls', locked],
      search: ['search', locked, '--json'],
      exec: ['exec', '--yes', '--', tool],
      publish: ['publish', '--access=public'],
    },
  }
}

function npmToken(token: string, registry: string): Record<string, string> {
  return { [`npm_config_//${new URL(registry).host}/:_authToken`]: token }
}

function pnpm(major: 10 | 11 | 12): GivenColumn {
  return {
    title: `pnpm ${major}`,
    client: `pnpm-${major}`,
    mode: 'registry',
    loggedIn: (token, registry) => ({
      ...npmToken(token, registry),
      [`pnpm_config_//${new URL(registry).host}/:_authToken`]: token,
    }),
    cells: {
      install: ['install', '--no-frozen-lockfile'],
      frozen: ['install', '--frozen-lockfile'],
      add: ['add', added],
      update: ['update', locked],
      remove: ['remove', added],
      info: ['view', locked],
      audit: ['audit'],
      tags: ['dist-tag', 'ls', locked],
      search: ['search', locked, '--json'],
      exec: ['dlx', tool],
      publish: ['publish', '--no-git-checks', '--access=public'],
    },
  }
}

const yarn1: GivenColumn = {
  title: 'Yarn 1',
  client: 'yarn-1',
  mode: 'registry',
  loggedIn: npmToken,
  cells: {
    install: ['install', '--non-interactive'],
    frozen: ['install', '--non-interactive', '--frozen-lockfile'],
    add: ['add', added],
    update: ['upgrade', locked],
    remove: ['remove', added],
    info: ['info', locked],
    audit: { lacks: "`yarn audit` asks Yarn 1's own registry, whatever is configured" },
    tags: ['tag', 'list', locked],
    search: { lacks: 'Yarn 1 has no search' },
    exec: { lacks: 'Yarn 1 has no dlx; `yarn create` is for starter kits' },
    publish: ['publish', '--non-interactive', '--new-version', '1.0.0', '--access', 'public'],
  },
}

const yarn4: GivenColumn = {
  title: 'Yarn 4',
  client: 'yarn-4',
  mode: 'registry',
  loggedIn: (token) => ({ YARN_NPM_AUTH_TOKEN: token }),
  cells: {
    install: ['install', '--no-immutable'],
    frozen: ['install', '--immutable'],
    add: ['add', added],
    update: ['up', '--recursive', locked],
    remove: ['remove', added],
    info: ['npm', 'info', locked],
    audit: ['npm', 'audit'],
    tags: ['npm', 'tag', 'list', locked],
    search: { lacks: 'Yarn 4 has no search' },
    exec: ['dlx', '--package', tool, 'fx-tool'],
    publish: ['npm', 'publish', '--access', 'public'],
  },
}

const byItself =
  'the plugin gets metadata and packages through the gateway; this goes to the registry'

const yarn4Plugin: GivenColumn = {
  ...yarn4,
  title: 'Yarn 4, plugin',
  mode: 'plugin',
  cells: {
    ...yarn4.cells,
    audit: { direct: ['npm', 'audit'], why: byItself },
    tags: { direct: ['npm', 'tag', 'list', locked], why: byItself },
    publish: { direct: ['npm', 'publish', '--access', 'public'], why: byItself },
  },
}

const bun: GivenColumn = {
  title: 'Bun',
  client: 'bun',
  mode: 'registry',
  loggedIn: (token) => ({ NPM_CONFIG_TOKEN: token }),
  cells: {
    install: ['install', '--no-progress'],
    frozen: ['install', '--no-progress', '--frozen-lockfile'],
    add: ['add', '--no-progress', added],
    update: ['update', '--no-progress', locked],
    remove: ['remove', '--no-progress', added],
    info: ['info', locked],
    audit: ['audit'],
    tags: ['info', locked, 'dist-tags'],
    search: { lacks: 'Bun has no search' },
    exec: ['x', '--package', tool, 'fx-tool'],
    publish: ['publish', '--access', 'public'],
  },
}

const deno: GivenColumn = {
  title: 'Deno',
  client: 'deno',
  mode: 'registry',
  loggedIn: () => ({}),
  cells: {
    install: ['install'],
    frozen: ['install', '--frozen'],
    add: ['add', `npm:${added}`],
    update: ['update', locked],
    remove: ['remove', added],
    info: {
      lacks: '`deno info` tells of modules and what they import, not of what a registry has',
    },
    audit: ['audit'],
    tags: { lacks: 'Deno has no command for dist-tags' },
    search: { lacks: 'Deno has no search' },
    exec: ['x', '--yes', '--allow-all', `npm:${tool}`],
    publish: { lacks: '`deno publish` is for JSR' },
  },
}

const behindVerdaccio: GivenColumn = {
  ...npm(11),
  title: 'Verdaccio',
  mode: 'behind-verdaccio',
  cells: {
    ...npm(11).cells,
    audit: { lacks: 'Verdaccio sends audits to the public registry, whatever its uplinks' },
    publish: {
      lacks: 'Verdaccio keeps what is published to it, and passes nothing on to an uplink',
    },
  },
}

const GIVEN: readonly GivenColumn[] = [
  ...([10, 11, 12] as const).map(npm),
  ...([10, 11, 12] as const).map(pnpm),
  ...[yarn1, yarn4, yarn4Plugin, bun, deno, behindVerdaccio],
]

export const COLUMNS: readonly Column[] = GIVEN.map(({ cells, ...column }) => {
  const { gone, goneFrozen } = SAME
  return { ...column, cells: { ...cells, gone: cells[gone], goneFrozen: cells[goneFrozen] } }
})

export const FEATURE_NAMES = Object.keys(FEATURES) as Feature[]

/** Marks of a cell; `why` explains one that is not plain. */
function markOf(cell: Cell): { mark: string; why?: string } {
  if ('lacks' in cell) return { mark: '–', why: cell.lacks }
  return 'direct' in cell ? { mark: 'direct', why: cell.why } : { mark: 'yes' }
}

/** The table, and below it the reason of every cell that is not a plain yes. `seen` may overrule a mark. */
export function featuresMarkdown(
  seen: (column: Column, feature: Feature) => string | undefined = () => undefined,
): string {
  const reasons = new Map<string, number>()
  const rows = FEATURE_NAMES.map((feature) => {
    const cells = COLUMNS.map((column) => {
      const { mark, why } = markOf(column.cells[feature])
      const shown = seen(column, feature) ?? mark
      if (why === undefined) return shown
      const number = reasons.get(why) ?? reasons.size + 1
      reasons.set(why, number)
      return `${shown} (${number})`
    })
    return [FEATURES[feature], ...cells]
  })
  const head = ['', ...COLUMNS.map(({ title }) => title)]
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  const notes = [...reasons].map(([why, number]) => `${number}. ${why}`)
  return `${lines.join('\n')}\n\n${notes.join('\n')}\n`
}

/** What a user's .yarnrc.yml says to load the plugin, and where the gateway is. */
export function pluginSettings(plugin: string, gateway: string): readonly string[] {
  const path = plugin.replaceAll('\\', '/')
  return [
    'nodeLinker: node-modules',
    `catalogDaemonUrl: '${gateway}'`,
    'plugins:',
    `  - path: '${path}'`,
  ]
}

/** A folder with an `npm` for clients that call one (pnpm 10 does, for all that it has not got itself). */
export function npmOnPath(folder: string): string {
  return join(folder, 'npm-on-path')
}
