import { readFileSync } from 'node:fs'
import { parseNodeOptions } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { parseOptions, sectionOf, SETTINGS } from './options.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const blocks = [...readme.matchAll(/```yaml\n([^]*?)```/g)].map(([, text]) => text ?? '')
const paths = { folder: '/etc/verdaccio', storage: undefined }

test('its table has every setting, and no other', () => {
  const table = readme.slice(readme.indexOf('### Settings'), readme.indexOf('## What peers get'))
  const rows = table.split('\n').filter((line) => line.startsWith('| `'))
  const names = rows.flatMap((row) => {
    const [, first = ''] = row.split('|')
    return [...first.matchAll(/`(\w+)`/g)].map(([, name]) => name)
  })
  expect(names.sort()).toEqual([...SETTINGS].sort())
})

test.each(blocks.map((text) => [text]))('its configuration is one: %s', (text) => {
  const parsed = parseOptions(sectionOf(parse(text)), paths)
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  expect(() => parseNodeOptions(parsed.options.node)).not.toThrow()
})

test('it has a complete one, and one for each way to use a daemon', () => {
  expect(blocks).toHaveLength(3)
})
