/**
 * Whether an install runs a script that starts another client, or one in another folder, where our variables would be wrong:
 * they win over the files of every folder. In doubt, yes. Pure but for reading package.json.
 */
import type { ClientCommand } from './client-command.ts'
import { foldersUpwards, readManifest } from './project-files.ts'
import { projectRoot } from './project-root.ts'

const LIFECYCLE = /^(?:pre|post)?(?:install|prepare|prepublish)$|^dependencies$/
const CLIENTS = ['npm', 'npx', 'pnpm', 'pnpx', 'yarn', 'yarnpkg', 'bun', 'bunx', 'deno'] as const
const GOES = /(?:^|[\s;&|(])(?:cd|pushd|-C|--prefix|--dir|--cwd)[\s=]/
const FETCHES = /\s(?:install|i|ci|add|exec|x|dlx|update|up)\b/

export function startsOtherClients({ cwd, family }: ClientCommand): boolean {
  const root = projectRoot(cwd)
  const folders = foldersUpwards(cwd).filter((folder) => folder.startsWith(root))
  return folders.some((folder) => scriptsOf(folder).some((script) => isRisky(script, family)))
}

function scriptsOf(folder: string): string[] {
  const { scripts } = readManifest(folder)
  const entries = Object.entries(Object(scripts) as Record<string, unknown>)
  return entries.filter(([name]) => LIFECYCLE.test(name)).map(([, script]) => String(script))
}

function isRisky(script: string, family: ClientCommand['family']): boolean {
  const named = CLIENTS.filter((name) => new RegExp(`(?:^|[\\s;&|(/])${name}\\b`).test(script))
  if (named.length === 0) return false
  const isOwn = named.every((name) => name.slice(0, 3) === family.slice(0, 3))
  return GOES.test(script) || (!isOwn && FETCHES.test(script))
}
