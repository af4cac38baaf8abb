/**
 * The gateway as published: the core stays a package of its own, and what the dashboard hands to browsers is compiled for them,
 * file by file.
 */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'rolldown'
import { buildPackage, compile } from '../packaging/bundle.ts'

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

/** Express brings parsers of bodies, with the tables of forty encodings: half a megabyte that is loaded and never used here. */
function withoutBodyParser(): Plugin {
  const virtual = '\0no-body-parser.cjs'
  return {
    name: 'without-body-parser',
    resolveId: (id) => (id === 'body-parser' ? virtual : null),
    load: (id) => (id === virtual ? 'module.exports = {}' : null),
  }
}
