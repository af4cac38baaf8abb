/** `catalog config init`, `validate` and `schema`: the config file written, checked and described. Never overwrites one. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { CatalogError, defaultStorePath, errnoOf } from '@catalog-p2p/core'
import { defaultConfigFolder, findConfigFile } from '../../config/config-file.ts'
import { configFileSchema } from '../../config/config-schema.ts'
import { configTemplate } from '../../config/config-template.ts'
import { resolveConfig } from '../../config/resolve.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { plural } from '../shell/format.ts'
import { wantsJson, type Invocation } from '../shell/invocation.ts'

/** @throws CatalogError INVALID_OPTIONS when there is a config file already, or it can't be written */
export async function configInitCommand(
  invocation: Invocation,
  named: string | undefined,
): Promise<number> {
  const { terminal, configFile } = invocation
  const path = placeFor(named ?? configFile, terminal.cwd)
  try {
    await mkdir(dirname(path), { recursive: true })
    // It may come to hold addresses with passwords in them.
    await writeFile(path, configTemplate(), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    const exists = errnoOf(error) === 'EEXIST'
    if (exists) throw alreadyThere(path)
    throw new CatalogError('INVALID_OPTIONS', `${path}: can't be written`, { cause: error })
  }
  if (wantsJson(invocation)) terminal.print(JSON.stringify({ file: path }))
  else {
    terminal.print(path)
    terminal.note('it sets nothing yet: change it, then check it with "catalog config validate"')
  }
  return EXIT.ok
}

function placeFor(named: string | undefined, cwd: string): string {
  if (named !== undefined) return resolve(cwd, named)
  const folder = defaultConfigFolder()
  const found = findConfigFile(folder)
  if (found !== undefined) throw alreadyThere(found)
  return join(folder, 'config.yaml')
}

function alreadyThere(path: string): CatalogError {
  return new CatalogError('INVALID_OPTIONS', `${path}: is there already, and was left as it is`, {
    hint: 'check it with "catalog config validate", or name another file',
  })
}

/** The file alone: flags and environment are left aside. @throws CatalogError INVALID_OPTIONS with every problem and its line */
export async function configValidateCommand(
  invocation: Invocation,
  named: string | undefined,
): Promise<number> {
  const { terminal, configFile } = invocation
  const { file, given } = resolveConfig({
    flags: {},
    env: { CATALOG_CONFIG: terminal.env.CATALOG_CONFIG },
    configFile: named ?? configFile,
    configFolder: defaultConfigFolder(),
    cwd: terminal.cwd,
    home: terminal.home,
    defaultStore: defaultStorePath(),
  })
  if (file === undefined) {
    throw new CatalogError('INVALID_OPTIONS', `no config file in ${defaultConfigFolder()}`, {
      hint: 'none is needed; "catalog config init" writes one to begin with',
    })
  }
  const settings = [...given.keys()]
  if (wantsJson(invocation)) terminal.print(JSON.stringify({ file, settings }))
  else terminal.print(`${file}: ${plural(settings.length, 'setting')}, nothing wrong`)
  return EXIT.ok
}

export async function configSchemaCommand({ terminal }: Invocation): Promise<number> {
  terminal.print(JSON.stringify(configFileSchema(), undefined, 2))
  return EXIT.ok
}
