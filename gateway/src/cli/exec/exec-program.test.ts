/** Where our options end and the command begins: with dashes, and as PowerShell hands it on, without. */
import { describe, expect, test } from 'vitest'
import {
  catalogOptions,
  parseCatalog,
  parseWords,
} from '../../../../test/support/catalog-parser.ts'

describe('the command of exec', () => {
  test.for<[line: string, command: string]>([
    ['npm ci', 'npm ci'],
    ['-- npm ci', 'npm ci'],
    ['--seed 30s npm ci', 'npm ci'],
    ['--seed=30s -q --no-mdns --bootstrap /dns4/a/udp/1/quic-v1 npm ci', 'npm ci'],
    // Its own options, whatever their names; further dashes are for what it runs.
    ['npm ci --json --port 1 --help', 'npm ci --json --port 1 --help'],
    ['npm run build -- --report x', 'npm run build -- --report x'],
    ['-- npm run build -- --report x', 'npm run build -- --report x'],
    ['-- --odd', '--odd'],
    ['npm --version', 'npm --version'],
  ])('%s', async ([line, command]) => {
    const { command: name, operands, options } = await parseCatalog(['exec', ...line.split(' ')])
    expect(name).toBe('exec')
    expect(operands.join(' ')).toBe(command)
    expect(options).toMatchObject({ quiet: line.includes(' -q ') })
    expect(options.report).toBeUndefined()
  })

  test('stands behind any option that takes a value, in either spelling', async () => {
    const valued = catalogOptions('exec').filter(({ takesValue }) => takesValue)
    expect(valued.map(({ names }) => names.at(-1))).toContain('--upload-rate')
    for (const { names } of valued) {
      const [name = ''] = names.slice(-1)
      for (const given of [[name, 'given'], [`${name}=given`]]) {
        const { operands, options } = await parseWords(['exec', ...given, 'npm', 'ci'])
        expect(operands, name).toEqual(['npm', 'ci'])
        expect(Object.values(options).flat(), name).toContain('given')
      }
    }
  })

  test.each([
    ['--sed 30s npm ci', "unknown option '--sed'"],
    ['--sed 30s -- npm ci', 'Did you mean --seed?'],
    ['--reprot=x npm ci --help', 'Did you mean --report?'],
    ['--json', "missing required argument 'command'"],
    ['--', "missing required argument 'command'"],
  ])('%s: refused', async (line, why) => {
    await expect(parseCatalog(['exec', ...line.split(' ')])).rejects.toThrow(why)
  })
})
