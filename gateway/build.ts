/**
 * The gateway as published: the core stays a package of its own, and what the dashboard hands to browsers is compiled for them,
 * file by file.
 */
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'rolldown'
import { buildPackage, compile } from '../packaging/bundle.ts'
import { manPage } from './src/cli/shell/man-page.ts'
import { createProgram } from './src/cli/shell/program.ts'
import { processTerminal } from './src/cli/shell/terminal.ts'

const home = import.meta.dirname
const PAGE = join('dashboard', 'page')

await buildPackage({
  home,
  entries: { index: 'src/index.ts', cli: 'src/cli.ts' },
  outside: ['@catalog-p2p/core'],
  plugins: [withoutBodyParser()],
  placed: [
    /commander[\\/]lib[\\/]command\.js$/, // in comments
    /undici[\\/]index\.js$/, // if it is there, for traces
    /(?:pino[\\/]lib[\\/]transport|thread-stream[\\/]index)\.js$/, // for transports in threads, of which we have none
  ],
})
compile(join(home, 'src', PAGE))
await copyFile(join(home, 'src', PAGE, 'style.css'), join(home, 'dist', PAGE, 'style.css'))

const { SOURCE_DATE_EPOCH: builtAt } = process.env // https://reproducible-builds.org/specs/source-date-epoch/
const built = builtAt === undefined ? new Date() : new Date(Number(builtAt) * 1000)
const page = manPage(await program(), built.toISOString().slice(0, 10))
await writeFile(join(home, 'dist', 'catalog.1'), page)

/** As it parses command lines; nothing of it is run. */
async function program() {
  const { version } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as {
    version: string
  }
  const nothing = () => undefined
  return createProgram({
    ...{ version, terminal: processTerminal(), signal: new AbortController().signal },
    ...{ takeSignals: nothing, outliveReaders: nothing, run: () => Promise.resolve() },
    exit: (code) => process.exit(code),
  })
}

/** Express brings parsers of bodies, with the tables of forty encodings: half a megabyte that is loaded and never used here. */
function withoutBodyParser(): Plugin {
  const virtual = '\0no-body-parser.cjs'
  return {
    name: 'without-body-parser',
    resolveId: (id) => (id === 'body-parser' ? virtual : null),
    load: (id) => (id === virtual ? 'module.exports = {}' : null),
  }
}
