/** The settings table of the README against the definitions: as text, for their modules exist inside Yarn only. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const folder = join(import.meta.dirname, '..')
const source = await readFile(join(folder, 'src', 'settings.ts'), 'utf8')
const readme = await readFile(join(folder, 'README.md'), 'utf8')

const definitions = [...source.matchAll(/^ {2}(catalog\w+): \{[^}]*?default: ([^\n]+),\n/gms)]
const rows = [...readme.matchAll(/^\| `(\w+)` +\| `(\w+)` +\| `([^`]+)` +\|/gm)]

test('every setting is in the README, with its default and its variable', () => {
  expect(definitions).toHaveLength(5)
  const named = definitions.map(([, name = '', value = '']) => [
    name,
    `YARN_${name.replace(/[A-Z]/g, '_$&').toUpperCase()}`,
    value.replaceAll("'", ''),
  ])
  expect(rows.map((row) => row.slice(1))).toEqual(named)
})

test('no name has a digit, which Yarn would not find again from the environment', () => {
  for (const [, name] of definitions) expect(name).toMatch(/^[a-zA-Z]+$/)
})

test('hints are as many as a daemon takes of one list', async () => {
  const options = join(folder, '..', '..', 'gateway', 'src', 'options.ts')
  const taken = /maxHints: .*default\(([\d_]+)\)/.exec(await readFile(options, 'utf8'))?.[1]
  const hooks = await readFile(join(folder, 'src', 'project-hooks.ts'), 'utf8')
  expect(/MAX_HINTS = ([\d_]+)/.exec(hooks)?.[1]).toBe(taken)
})
