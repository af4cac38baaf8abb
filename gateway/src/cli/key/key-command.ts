/** `catalog key new|list|show|export|import|rotate`: publishers' keys of this user. Works on their files; needs no daemon. */
import { resolve } from 'node:path'
import { CatalogError, errnoOf, generateKey } from '@catalog-p2p/core'
import { defaultConfigFolder } from '../../config/config-file.ts'
import {
  formatKeyFile,
  publicHalf,
  toKeyFile,
  unlockKey,
  type KeyFile,
} from '../../publisher-keys/key-file.ts'
import {
  openKeyFolder,
  readKeyFile,
  type KeyFolder,
  type NamedKey,
} from '../../publisher-keys/key-folder.ts'
import { wordsOf } from '../../trust/key-words.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatTable } from '../shell/format.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'
import { askPassphrase, newPassphrase } from './passphrase.ts'

export async function keyNewCommand(
  invocation: Invocation,
  { name, passphrase: isSealed }: { readonly name: string; readonly passphrase: boolean },
): Promise<number> {
  const passphrase = isSealed ? await newPassphrase(invocation) : undefined
  const file = await toKeyFile(generateKey(), { passphrase, createdAt: new Date() })
  const folder = folderOf()
  await folder.add(name, file)
  return report(invocation, { name, ...file }, [
    `made key "${name}" in ${folder.path}${isSealed ? ', sealed with the passphrase' : ''}: ${file.id}`,
    ...(isSealed
      ? []
      : ['anybody who can read its file can publish as you: --passphrase seals it']),
    `others trust it with: catalog trust add @your-scope ${file.id}`,
  ])
}

export async function keyListCommand(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  const { keys, problems } = await folderOf().list()
  if (loadConfig(invocation).json) {
    terminal.print(JSON.stringify({ keys: keys.map(describe), problems }))
    return EXIT.ok
  }
  const rows = keys.map(({ name, id, createdAt, isSealed }) => [
    name,
    id,
    createdAt.slice(0, 10),
    isSealed ? 'passphrase' : 'file only',
  ])
  const columns = [
    { title: 'NAME' },
    { title: 'KEY' },
    { title: 'MADE' },
    { title: 'PROTECTED BY' },
  ]
  if (keys.length === 0) terminal.print('no keys; catalog key new makes one')
  else for (const line of formatTable(columns, rows)) terminal.print(line)
  for (const problem of problems) terminal.note(`catalog: warning: ${problem}`)
  return EXIT.ok
}

export async function keyShowCommand(
  invocation: Invocation,
  { name }: { readonly name: string },
): Promise<number> {
  const key = await folderOf().read(name)
  return report(invocation, key, [
    `key       ${key.id}`,
    `words     ${wordsOf(key.id)}`,
    `made      ${key.createdAt.slice(0, 10)}`,
    `secret    ${key.isSealed ? 'sealed with a passphrase' : 'in its file, for this user alone'}`,
    ...(key.replaces === undefined ? [] : [`replaces  ${key.replaces}`]),
  ])
}

/** As JSON, whatever the form of the output: it is what `import` takes. */
export async function keyExportCommand(
  { terminal }: Invocation,
  { name, secret }: { readonly name: string; readonly secret: boolean },
): Promise<number> {
  const key = await folderOf().read(name)
  if (secret && !key.isSealed) {
    terminal.note('catalog: warning: whoever reads this can publish as you: it is not sealed')
  }
  terminal.print(formatKeyFile(secret ? key : publicHalf(key)).trimEnd())
  return EXIT.ok
}

export async function keyImportCommand(
  invocation: Invocation,
  options: { readonly file: string; readonly name: string; readonly passphrase: boolean },
): Promise<number> {
  const { name } = options
  const path = resolve(invocation.terminal.cwd, options.file)
  const file = await readKeyFile(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error
    throw new CatalogError('INVALID_OPTIONS', `there is no file ${path}`)
  })
  // Opened before it is taken: a key that can't be used is found out now.
  const key = await unlockKey(file, () => askPassphrase(invocation, `passphrase of ${file.id}`))
  const { replaces } = file
  const taken =
    options.passphrase && !file.isSealed
      ? await toKeyFile(key, {
          passphrase: await newPassphrase(invocation),
          createdAt: new Date(file.createdAt),
          ...(replaces !== undefined && { replaces }),
        })
      : file
  await folderOf().add(name, taken)
  return report(invocation, { name, ...taken }, [`imported key "${name}": ${taken.id}`])
}

export async function keyRotateCommand(
  invocation: Invocation,
  { name }: { readonly name: string },
): Promise<number> {
  const folder = folderOf()
  const old = await folder.read(name)
  let passphrase: string | undefined
  await unlockKey(old, async () => {
    passphrase = await askPassphrase(invocation, `passphrase of "${name}"`)
    return passphrase
  })
  const made = { passphrase, createdAt: new Date(), replaces: old.id }
  const file = await toKeyFile(generateKey(), made)
  const { oldName } = await folder.replace(name, file)
  return report(invocation, { name, ...file }, [
    `"${name}" is a new key now: ${file.id}`,
    `the old one is kept as "${oldName}": ${old.id}`,
    'what it has published stays valid where it is trusted; to change over, have the new one trusted',
    `  catalog trust add @your-scope ${file.id}`,
    'and publish with it; then have the old one removed: catalog trust remove',
  ])
}

function folderOf(): KeyFolder {
  return openKeyFolder(defaultConfigFolder())
}

function report(invocation: Invocation, key: NamedKey, lines: readonly string[]): number {
  const { terminal } = invocation
  if (loadConfig(invocation).json) terminal.print(JSON.stringify(describe(key)))
  else for (const line of lines) terminal.print(line)
  return EXIT.ok
}

/** Never the secret. */
function describe({ name, id, createdAt, isSealed, replaces }: KeyFile & { name: string }) {
  return { name, id, createdAt, sealed: isSealed, replaces: replaces ?? null }
}
