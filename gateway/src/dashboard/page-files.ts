/**
 * The files of the dashboard: its own, and those of the libraries it uses, as their packages bring them. A fixed list, read once:
 * no request names a path. Run from its sources, the page is TypeScript with the types blanked out; published, it is compiled.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { IS_SOURCE, PACKAGE_FOLDER } from '../package-folder.ts'

export interface PageFile {
  readonly type: string
  readonly body: Buffer
  /** As the header has it. */
  readonly etag: string
}

export interface Page {
  readonly html: PageFile
  /** By their names below the page. */
  readonly files: ReadonlyMap<string, PageFile>
  /** https://www.w3.org/TR/CSP3/ */
  readonly policy: string
}

/** By the name that the page's modules import; file and place in its package. */
const LIBRARIES: readonly { readonly module?: string; readonly path: string }[] = [
  { module: 'preact', path: 'preact' },
  { module: 'preact/hooks', path: 'preact/hooks' },
  { module: 'htm', path: 'htm' },
  { module: 'uplot', path: 'uplot/dist/uPlot.esm.js' },
  { path: 'uplot/dist/uPlot.min.css' },
]

const FOLDER = fileURLToPath(
  new URL(IS_SOURCE ? 'src/dashboard/page' : 'dist/dashboard/page', PACKAGE_FOLDER),
)
const SCRIPT = IS_SOURCE ? '.ts' : '.js'
const JAVASCRIPT = 'text/javascript; charset=utf-8'
const CSS = 'text/css; charset=utf-8'

/** @throws Error when a file of it is not where it was installed */
export async function loadPage(): Promise<Page> {
  const files = new Map<string, PageFile>()
  const imports: Record<string, string> = {}
  for (const { module, path } of LIBRARIES) {
    const place = fileURLToPath(import.meta.resolve(path))
    const name = nameOf(place)
    files.set(name, fileOf(name.endsWith('.css') ? CSS : JAVASCRIPT, await readFile(place)))
    if (module !== undefined) imports[module] = `./ui/${name}`
  }
  for (const name of await readdir(FOLDER)) {
    if (name.endsWith('.css')) files.set(name, fileOf(CSS, await readFile(join(FOLDER, name))))
    else if (isScript(name)) files.set(name, fileOf(JAVASCRIPT, await readScript(name)))
  }
  const importMap = JSON.stringify({ imports })
  const styles = [...files.keys()].filter((name) => name.endsWith('.css'))
  const html = fileOf('text/html; charset=utf-8', Buffer.from(htmlOf(importMap, styles)))
  return { html, files, policy: policyOf(importMap) }
}

function isScript(name: string): boolean {
  return name.endsWith(SCRIPT) && !/\.(?:test|d)\.ts$/.test(name)
}

async function readScript(name: string): Promise<Buffer> {
  const bytes = await readFile(join(FOLDER, name))
  return IS_SOURCE ? Buffer.from(stripTypeScriptTypes(bytes.toString('utf8'))) : bytes
}

/** `hooks.mjs` of two packages would be one file. */
function nameOf(place: string): string {
  return place.split(/[/\\]/).at(-1) ?? ''
}

function fileOf(type: string, body: Buffer): PageFile {
  return { type, body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` }
}

/** Only what is here, and the one script in the page by its hash; no text ever becomes markup (Trusted Types). */
function policyOf(importMap: string): string {
  const hash = createHash('sha256').update(importMap).digest('base64')
  return [
    ...["default-src 'none'", `script-src 'self' 'sha256-${hash}'`, "style-src 'self'"],
    ...["connect-src 'self'", "img-src 'self' data:", "base-uri 'none'", "form-action 'none'"],
    ...["frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"],
  ].join('; ')
}

function htmlOf(importMap: string, styles: readonly string[]): string {
  const links = styles.map((name) => `    <link rel="stylesheet" href="ui/${name}">`)
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="referrer" content="no-referrer">
    <title>Catalog</title>
    <link rel="icon" href="data:,">
${links.join('\n')}
    <script type="importmap">${importMap}</script>
    <script type="module" src="ui/app${SCRIPT}"></script>
  </head>
  <body>
    <div id="page"><noscript>This page needs JavaScript; "catalog status" says the same in a terminal.</noscript></div>
  </body>
</html>
`
}
