/**
 * pnpm with our global pnpmfile (`catalog use pnpm --pnpmfile`, or a variable that names it) instead of a registry setting:
 * whether the file exists, is of this version, and asks a daemon that answers. pnpm's registry is then not checked.
 */
import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { probeDaemon } from '../../admin/daemon-client.ts'
import { requireRegularFile } from '../../regular-file.ts'
import { expandEnvironment } from '../../upstream/npmrc.ts'
import { clientFiles } from '../../clients/client-files.ts'
import { pnpmConfigFolder } from '../../clients/pnpm/pnpm-files.ts'
import type { ClientContext } from '../../clients/client.ts'
import { readOwnedFile } from '../../clients/owned-file.ts'
import { iniPnpmfile, yamlPnpmfile } from '../../clients/pnpm/pnpmfile-format.ts'
import { pnpmfileCopy } from '../use/use-pnpmfile.ts'
import {
  isCurrentPnpmfile,
  isPnpmfileText,
  pnpmfilePort,
  PNPMFILE_PACKAGE,
} from '../../clients/pnpm/pnpmfile.ts'
import { readUseState } from '../use/use-state.ts'
import type { UseDependencies } from '../use/use.ts'
import { fail, ok, reasonOf, warn, type Finding } from './check.ts'

const NAME = 'client pnpm'
const ANEW = 'write it anew: catalog use pnpm --pnpmfile'
const UNDO = 'take it back: catalog unuse pnpm'

/** undefined: pnpm has no such pnpmfile. */
export async function checkPnpmfile(
  deps: UseDependencies,
  gatewayUrl: string,
): Promise<Finding | undefined> {
  const copy = pnpmfileCopy(deps)
  const named = await namedFiles(deps.context)
  for (const { path, readers } of merged(named)) {
    const found = await readOurs(path, copy)
    if (found === undefined) continue
    if ('problem' in found) return found.problem
    return checkFile({ path, readers, ...found }, deps.context, gatewayUrl)
  }
  // A state file that cannot be read is reported by "catalog use".
  const state = await readUseState(deps.statePath).catch(() => undefined)
  if (state?.has(copy) !== true) return undefined
  const others = named.map(({ from }) => from).join(', ')
  const why = others === '' ? 'pnpm’s configuration no longer names it' : `${others} names another`
  return warn(
    NAME,
    `does not use the pnpmfile that was set up for it: ${why}`,
    `${ANEW}; or ${UNDO}`,
  )
}

interface NamedFile {
  readonly path: string
  /** Which versions read it there. */
  readonly readers: string
  /** The variable or the file that says so. */
  readonly from: string
}

/** The global ones (a variable wins over every file, a user's .npmrc over pnpm's own rc), and a project's by a variable. */
async function namedFiles(context: ClientContext): Promise<NamedFile[]> {
  const folder = pnpmConfigFolder(context)
  const npmrc = clientFiles('npm', context).map(({ path }) => path)
  const old = { context, readers: 'pnpm 10' }
  const newer = { context, readers: 'pnpm 11 and newer' }
  const found = [
    variable(/^npm_config_global_pnpmfile$/i, old) ??
      (await fileThatNames([...npmrc, join(folder, 'rc')], iniPnpmfile, old)),
    variable(/^pnpm_config_global_pnpmfile$/i, newer) ??
      (await fileThatNames([join(folder, 'config.yaml')], yamlPnpmfile, newer)),
    variable(/^npm_config_pnpmfile$/i, old),
    variable(/^pnpm_config_pnpmfile$/i, newer),
  ]
  return found.filter((one) => one !== undefined)
}

interface Reader {
  readonly context: ClientContext
  readonly readers: string
}

function variable(name: RegExp, { context, readers }: Reader): NamedFile | undefined {
  const found = Object.entries(context.env).find(([key, value]) => name.test(key) && value)
  return found && { path: resolve(found[1] ?? ''), readers, from: found[0] }
}

async function fileThatNames(
  files: readonly string[],
  pnpmfileIn: (text: string) => string | undefined,
  { context, readers }: Reader,
): Promise<NamedFile | undefined> {
  for (const from of files) {
    const bytes = await readOwnedFile(from).catch(() => undefined) // checkClients says why
    const path = pnpmfileIn(bytes?.toString('utf8') ?? '')
    if (path) return { path: resolve(expandEnvironment(path, context.env)), readers, from }
  }
  return undefined
}

function merged(named: readonly NamedFile[]): { path: string; readers: string }[] {
  const byPath = new Map<string, string[]>()
  for (const { path, readers } of named) byPath.set(path, [...(byPath.get(path) ?? []), readers])
  return [...byPath].map(([path, readers]) => ({ path, readers: readers.join(', ') }))
}

/** undefined: the pnpmfile is not ours. */
async function readOurs(
  path: string,
  copy: string,
): Promise<{ text: string } | { problem: Finding } | undefined> {
  const isNamedSo = path === resolve(copy) || path.includes(PNPMFILE_PACKAGE)
  try {
    const text = await readText(path)
    if (isPnpmfileText(text)) return { text }
    if (!isNamedSo) return undefined
    return { problem: fail(NAME, `its pnpmfile ${path} is not what it was`, `${ANEW}; or ${UNDO}`) }
  } catch (error) {
    if (!isNamedSo) return undefined
    const text = `fails in every project: its pnpmfile ${path} can't be read (${reasonOf(error)})`
    return { problem: fail(NAME, text, `${ANEW}; or ${UNDO}`) }
  }
}

/** @throws Error as Node does, or CatalogError when it is no regular file */
async function readText(path: string): Promise<string> {
  requireRegularFile(path, await stat(path))
  return readFile(path, 'utf8')
}

async function checkFile(
  { path, readers, text }: { path: string; readers: string; text: string },
  { env }: ClientContext,
  gatewayUrl: string,
): Promise<Finding> {
  if ((await isCurrentPnpmfile(text)) === false) {
    return warn(NAME, `its pnpmfile ${path} is of another version than this catalog`, ANEW)
  }
  const port = env.CATALOG_PORT || pnpmfilePort(text)
  const url = `http://127.0.0.1:${port}/`
  const own = new URL(gatewayUrl).port
  if (own !== port) {
    const next = `have it ask there: catalog use pnpm --pnpmfile --port ${own}`
    return warn(NAME, `its pnpmfile asks ${url}, and this gateway is at ${gatewayUrl}`, next)
  }
  if ((await probeDaemon(url)) === undefined) {
    const next = 'start it: catalog start'
    return warn(NAME, `fetches by itself: its pnpmfile finds no daemon at ${url}`, next)
  }
  return ok(NAME, `gets tarballs through this gateway by its pnpmfile (${readers}: ${path})`)
}
