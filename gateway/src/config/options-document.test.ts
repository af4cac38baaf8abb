import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format } from 'prettier'
import { expect, test } from 'vitest'
import { parseNodeOptions } from '@catalog-p2p/core'
import { parseGatewayOptions } from '../options.ts'
import { optionsDocument } from './options-document.ts'
import { splitTarget } from './resolve.ts'
import { environmentOf, fileKeyOf } from './setting.ts'
import { SETTINGS } from './settings.ts'

const FILE = fileURLToPath(new URL('../../../docs/options.md', import.meta.url))

test('docs/options.md says what the table says', async () => {
  expect(existsSync(FILE)).toBe(true)
  const style = { parser: 'markdown', printWidth: 100, singleQuote: true, semi: false } as const
  await expect(await format(optionsDocument(), style)).toMatchFileSnapshot(FILE)
})

test('every option of the node and the gateway can be set, or is left out on purpose', () => {
  const leaves = (value: unknown, path: string[]): string[] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]))
      : [path.join('.')]
  const all = [
    ...leaves(parseNodeOptions({}), []).map((name) => `node:${name}`),
    ...leaves(parseGatewayOptions({}), []).map((name) => `gateway:${name}`),
  ]
  const settable = new Set(SETTINGS.map((setting) => setting.target as string))
  // `catalog exec` says it of its own gateway; whether there is a private swarm follows from its file.
  const ofExec = ['gateway:keepPrivate', 'gateway:temporary', 'gateway:frozenTrust']
  const onPurpose = [...ofExec, 'gateway:privateSwarm']
  expect(all.filter((name) => !settable.has(name))).toEqual(onPurpose)
})

test('every target exists: the schemas, being strict, refuse unknown names', () => {
  for (const setting of SETTINGS) {
    const { part, path } = splitTarget(setting)
    if (part === 'start') continue
    let options: Record<string, unknown> = {}
    for (const step of path.toReversed()) {
      options = { [step]: Object.keys(options).length === 0 ? Symbol('wrong type') : options }
    }
    const parse = () => (part === 'node' ? parseNodeOptions(options) : parseGatewayOptions(options))
    expect(parse, setting.name).toThrow(path.join('.'))
    expect(parse, setting.name).not.toThrow(/nrecognized/)
  }
})

test('flags, variables and keys are unique', () => {
  for (const nameOf of [environmentOf, fileKeyOf]) {
    expect(new Set(SETTINGS.map(nameOf)).size).toBe(SETTINGS.length)
  }
  expect(new Set(SETTINGS.map((setting) => setting.target)).size).toBe(SETTINGS.length)
})
