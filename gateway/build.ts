/**
 * The gateway as published: the core stays a package of its own, and what the dashboard hands to browsers is compiled for them,
 * file by file.
 */
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Plugin } from 'rolldown'
import { buildPackage, compile } from '../packaging/bundle.ts'
import { manPage } from './src/cli/shell/man-page.ts'
import { createProgram } from './src/cli/shell/program.ts'
import { processTerminal } from './src/cli/shell/terminal.ts'

const home = import.meta.dirname
const PAGE = join('dashboard', 'page')
/** See smallUndici. */
const SMALL_UNDICI = `import Agent from 'undici/lib/dispatcher/agent.js'
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js'
import EnvHttpProxyAgent from 'undici/lib/dispatcher/env-http-proxy-agent.js'
import ask from 'undici/lib/api/api-request.js'
Dispatcher.prototype.request = ask
export { Agent, EnvHttpProxyAgent }
let agent
export function request(url, options = {}) {
  agent ??= new Agent()
  const { origin, pathname, search } = new URL(url)
  return agent.request({ ...options, origin, path: pathname + search, method: options.method ?? 'GET' })
}
`

await buildPackage({
  home,
  entries: { index: 'src/index.ts', cli: 'src/cli.ts' },
  outside: ['@catalog-p2p/core'],
  plugins: [withoutBodyParser(), withoutTypesOfFiles(), smallUndici()],
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

/** Express knows the types of 2,500 kinds of files by a table that nothing here asks: all answers say their type themselves. */
function withoutTypesOfFiles(): Plugin {
  const few = ['application/json', 'application/octet-stream', 'text/html', 'text/plain']
  return {
    name: 'without-types-of-files',
    load(id) {
      if (!/[\\/]mime-db[\\/]index\.js$/.test(id)) return null
      const db = createRequire(id)(id) as Record<string, unknown>
      return `module.exports = ${JSON.stringify(Object.fromEntries(few.map((type) => [type, db[type]])))}`
    },
  }
}

/**
 * Of undici only what is imported here, as its index has it: that brings fetch, WebSocket, caches, mocks and HTTP/2 along, most of a
 * megabyte that V8 keeps as source and half of that as code. A name that is missing fails the build where it is imported statically.
 */
function smallUndici(): Plugin {
  const virtual = '\0small-undici'
  const nothing = '\0not-in-small-undici.cjs'
  return {
    name: 'small-undici',
    resolveId(id, importer = '') {
      if (id === 'undici') return virtual
      if (!/[\\/]undici[\\/]lib[\\/]/.test(importer)) return null
      return /\/(?:client-h2|fetch\/body)\.js$/.test(id) ? nothing : null
    },
    load(id) {
      if (id === nothing) return 'module.exports = {}'
      return id === virtual ? SMALL_UNDICI : null
    },
  }
}
