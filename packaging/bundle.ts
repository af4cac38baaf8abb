/**
 * What `npm run build` makes of a package: its declarations, as tsc writes them, and its code in a few files instead of a
 * thousand, with that of its dependencies (docs/decisions/0013-bundled-start.md). All files lie side by side in dist/, so what
 * finds its place by import.meta.url must be right there too. Nothing is minified: traces stay readable.
 */
import { spawnSync } from 'node:child_process'
import { glob, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown, type Plugin } from 'rolldown'
import { noticesOf } from './notices.ts'

export interface PackageBundle {
  /** Of the package. */
  readonly home: string
  /** By the name of the file in dist/; files of worker threads, named *-worker.ts, are added to them. */
  readonly entries: Readonly<Record<string, string>>
  /** Packages that stay outside, with what lies below their names. */
  readonly outside: readonly string[]
  /** Modules of others that may look for files beside themselves, for they find them. */
  readonly placed?: readonly RegExp[]
  readonly plugins?: readonly Plugin[]
}

/** @throws Error, with nothing usable in dist/ */
export async function buildPackage(wanted: PackageBundle): Promise<void> {
  await rm(join(wanted.home, 'dist'), { recursive: true, force: true })
  compile(wanted.home)
  await bundle(wanted)
}

/** What the tsconfig.build.json of a folder says. Ends the process when that fails: tsc has said why. */
export function compile(folder: string): void {
  const compiler = fileURLToPath(import.meta.resolve('typescript/bin/tsc'))
  const args = [compiler, '-p', join(folder, 'tsconfig.build.json')]
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

async function bundle({ home, entries, outside, placed, plugins }: PackageBundle): Promise<void> {
  const built = await rolldown({
    cwd: home,
    input: { ...entries, ...(await workersOf(home)) },
    platform: 'node',
    tsconfig: false,
    external: outside.map((name) => new RegExp(`^${name}(?:/|$)`)),
    transform: { target: 'node22' },
    plugins: [...(plugins ?? []), refusePlaces(placed ?? []), quickHttp(), inAscii()],
    onLog(level, log) {
      if (level !== 'warn' || log.code === 'EVAL') return
      throw new Error(`${log.code}: ${log.message}`)
    },
  })
  try {
    const { output } = await built.write({
      dir: join(home, 'dist'),
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name].js',
      sourcemap: true,
      // File and line are what a trace needs.
      sourcemapExcludeSources: true,
      comments: { legal: true, annotation: false, jsdoc: false },
    })
    for (const file of output) {
      if (file.type !== 'chunk' || !/[^\0-\x7f]/.test(file.code)) continue
      throw new Error(`${file.fileName} is not ASCII: V8 would keep it in two bytes a character`)
    }
    const notices = await noticesOf(
      output.flatMap((file) => ('moduleIds' in file ? file.moduleIds : [])),
    )
    const texts = notices.map(({ name, text }) => `${name}\n\n${text}\n`)
    const head = 'The files beside this one contain other people’s work:\n\n'
    await writeFile(
      join(home, 'dist', 'THIRD-PARTY.txt'),
      head + texts.join(`\n${'-'.repeat(80)}\n\n`),
    )
  } finally {
    await built.close()
  }
}

async function workersOf(home: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const path of glob('src/**/*-worker.ts', { cwd: home })) {
    const name = basename(path, '.ts')
    if (found[name] !== undefined) throw new Error(`two workers are called ${name}`)
    found[name] = path
  }
  return found
}

/** A module that looks for its files beside itself would find none in dist/, on somebody else's machine. */
function refusePlaces(placed: readonly RegExp[]): Plugin {
  return {
    name: 'no-places',
    transform(code, id) {
      const isFree = !/[\\/]node_modules[\\/]/.test(id) || placed.some((each) => each.test(id))
      if (!isFree && /\bimport\.meta\b|\b__dirname\b|\b__filename\b/.test(code)) {
        throw new Error(
          `${id} looks for files beside itself: leave it outside, or see to it that it finds them`,
        )
      }
    },
  }
}

/**
 * An ES import of Node's http reads all that it exports, and with its WebSocket loads Node's own undici: 40 ms and 14 MB in
 * every process. Asked for as Node's CommonJS modules ask for it, it reads what is used.
 */
function quickHttp(): Plugin {
  const virtual = '\0node:http'
  const lazy = ['WebSocket', 'CloseEvent', 'MessageEvent']
  const names = Object.getOwnPropertyNames(process.getBuiltinModule('node:http'))
  return {
    name: 'quick-http',
    resolveId: (id, _, { kind }) =>
      /^(?:node:)?http$/.test(id) && kind === 'import-statement' ? virtual : null,
    load: (id) =>
      id === virtual
        ? `const http = process.getBuiltinModule('node:http')
export default http
export const { ${names.filter((name) => !lazy.includes(name)).join(', ')} } = http
`
        : null,
  }
}

/** V8 keeps the sources, in two bytes a character as soon as one of them needs it; escaped, none does. */
function inAscii(): Plugin {
  return {
    name: 'in-ascii',
    // Not renderChunk: what is printed after it spells them out again.
    generateBundle(_, files) {
      for (const file of Object.values(files)) {
        if (file.type !== 'chunk') continue
        const { code, fileName } = file
        if (/String\.raw`[^`]*[^\0-\x7f`]/.test(code))
          throw new Error(`${fileName}: String.raw is not ASCII`)
        file.code = code.replace(
          /[^\0-\x7f]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
        )
      }
    },
  }
}
