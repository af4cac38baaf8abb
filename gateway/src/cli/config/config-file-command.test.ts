import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format } from 'prettier'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCatalog } from '../../../../test/support/run-catalog.ts'
import { configFileForm, configFileSchema } from '../../config/config-schema.ts'
import { EXIT } from '../shell/exit-codes.ts'

const SCHEMA = fileURLToPath(new URL('../../../../docs/config.schema.json', import.meta.url))

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'catalog-config-'))
})
afterEach(() => rmSync(home, { recursive: true }))

test('init writes a file that sets nothing, and is right with every # taken away; it never overwrites', async () => {
  const file = join(home, 'new', 'catalog.yaml')
  expect(await runCatalog(home, 'config', 'init', file)).toMatchObject({ lines: [file] })
  const written = readFileSync(file, 'utf8')
  const checked = await runCatalog(home, 'config', 'validate', '--json', file)
  expect(checked.json()).toEqual({ file, settings: [] })
  const again = await runCatalog(home, 'config', 'init', file)
  expect(again).toMatchObject({ exitCode: EXIT.usage })
  expect(again.error).toContain('is there already')
  expect(readFileSync(file, 'utf8')).toBe(written)

  writeFileSync(file, written.replaceAll(/^#(?=\s*\w+:(?: |$))/gm, ''))
  const all = await runCatalog(home, 'config', 'validate', '--json', file)
  expect(all).toMatchObject({ exitCode: EXIT.ok })
  const { settings } = all.json() as { settings: string[] }
  expect(settings).toEqual(expect.arrayContaining(['port', 'network.family', 'quota', 'max-age']))
})

test('validate names the line and key of each mistake, and the next step', async () => {
  const file = join(home, 'c.yaml')
  writeFileSync(file, 'port: 4874\nnetwork:\n  family: ipv5\nquotas: 1GiB\nmaxAge: 5 parsecs\n')
  const { exitCode, error } = await runCatalog(home, 'config', 'validate', 'c.yaml')
  expect(exitCode).toBe(EXIT.usage)
  expect(error).toContain(`${file}:3: network.family: expected one of any, ipv4, ipv6`)
  expect(error).toContain(`${file}:4: quotas: no such setting; do you mean quota?`)
  expect(error).toContain(`${file}:5: maxAge: expected a time`)
  expect(error).toContain('docs/options.md')
})

test('docs/config.schema.json is what "catalog config schema" prints', async () => {
  const { lines } = await runCatalog(home, 'config', 'schema')
  expect(JSON.parse(lines.join('\n'))).toEqual(configFileSchema())
  const text = await format(lines.join('\n'), { parser: 'json', printWidth: 100 })
  await expect(text).toMatchFileSnapshot(SCHEMA)
})

test.each([
  [
    { $schema: './s.json', port: 1, network: { family: 'ipv4' }, bootstrap: ['/ip4/1.2.3.4'] },
    true,
  ],
  [{ quota: '20GiB', uploadRate: '1.5MB/s', maxAge: '5m', staleWhileRevalidate: 0 }, true],
  [{ port: 'many' }, false],
  [{ port: 0, network: { port: 65_535 }, carrierPort: 1 }, true],
  [{ port: 65_536 }, false],
  [{ network: { port: -1 } }, false],
  [{ maxConnections: -1 }, false],
  [{ quota: '20 parsecs' }, false],
  [{ maxAge: '5' }, false],
  [{ network: { familly: 'ipv4' } }, false],
])('the schema and validate agree on %j', async (content, isRight) => {
  writeFileSync(join(home, 'c.json'), JSON.stringify(content))
  const { exitCode } = await runCatalog(home, 'config', 'validate', 'c.json')
  expect(exitCode === EXIT.ok).toBe(isRight)
  expect(configFileForm().safeParse(content).success).toBe(isRight)
})
