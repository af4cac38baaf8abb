/**
 * A command that is no package manager (`make`, `sh -c`) may start any. npm's variable is read by pnpm 10 and Yarn 1 too, which
 * with it would write other lockfiles; so it is set only where the command's words and the project's files name clients that
 * need the same one. What nothing names is not guessed.
 */
import { join } from 'node:path'
import { familyOf, yarnFamily, type ClientFamily } from './client-family.ts'
import { pnpmRoots, projectRoot, readText } from './project-files.ts'

const MARKS: readonly (readonly [file: string, client: ClientFamily | 'yarn'])[] = [
  ['package-lock.json', 'npm'],
  ['npm-shrinkwrap.json', 'npm'],
  ['pnpm-lock.yaml', 'pnpm'],
  ['pnpm-workspace.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['.yarnrc.yml', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['deno.lock', 'deno'],
]

export function innerClients(command: readonly string[], cwd: string): ReadonlySet<ClientFamily> {
  const words = command.flatMap((word) => word.split(/[\s;&|()'"`<>]+/))
  const found = new Set(words.flatMap((word) => familyOf([word], cwd) ?? []))
  for (const folder of new Set([cwd, projectRoot(cwd) ?? cwd, ...pnpmRoots(cwd)])) {
    for (const [file, client] of MARKS) {
      if (readText(join(folder, file)) === undefined) continue
      found.add(client === 'yarn' ? yarnFamily(cwd) : client)
    }
    const manifest = readText(join(folder, 'package.json')) ?? ''
    const manager = /"packageManager"\s*:\s*"([a-z]+@\d+)/.exec(manifest)?.[1]
    const family = manager === undefined ? undefined : familyOf(['corepack', manager], cwd)
    if (family !== undefined) found.add(family)
  }
  return found
}
