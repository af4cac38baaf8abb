import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { generateKey, issueCertificate, keyIdFromBytes, keyIdOf } from '@catalog-p2p/core'
import { runCatalog, type CatalogRun } from '../../../../test/support/run-catalog.ts'
import { wordsOf } from '../../trust/key-words.ts'
import { openTrust } from '../../trust/trust.ts'
import { EXIT } from '../shell/exit-codes.ts'

const A = keyIdFromBytes(new Uint8Array(32).fill(1))
const B = keyIdFromBytes(new Uint8Array(32).fill(2))
const noop = (): void => undefined
const log = { debug: noop, info: noop, warn: noop, error: noop }

let home: string
let path: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'catalog-trust-'))
  path = join(home, 'trust.txt')
})
afterEach(() => rm(home, { recursive: true }))
const trust = (...args: readonly string[]): Promise<CatalogRun> =>
  runCatalog(home, 'trust', ...args, '--trust-file', path)

test('a scope is added, shown, explained and removed', async () => {
  const added = await trust('add', '@acme', A.toUpperCase(), '--note', 'Ada,\nby phone')
  expect(added.exitCode).toBe(EXIT.ok)
  expect(added.lines).toEqual([
    '@acme: this key may publish it',
    `  ${A}`,
    `  ${wordsOf(A)}`,
    'no registry is asked for @acme on this machine any more',
  ])
  const second = await trust('add', '@acme', B)
  expect(second.lines).toContain('so may 1 other key: see "catalog trust list"')
  expect(await readFile(path, 'utf8')).toMatch(
    /^@acme {2}key {2}\S+ {2}# added \S+, Ada, by phone$/m,
  )
  expect((await trust('list', '--json')).json()).toMatchObject({
    entries: [
      { subject: '@acme', kind: 'key', fingerprint: A, how: 'added' },
      { subject: '@acme', kind: 'key', fingerprint: B, how: 'added' },
    ],
  })
  const explained = await trust('explain', '@acme/tool')
  expect(explained.lines.join('\n')).toContain('and no registry is asked for it')
  expect(explained.lines).toContain(`  publisher ${A}`)
  expect((await trust('remove', '@acme', A)).lines).toEqual(['removed 1 publisher of @acme'])
  expect((await trust('remove', '@ACME')).lines).toEqual([
    'removed 1 publisher of @ACME',
    '@ACME comes from its registry again',
  ])
  const url = 'http://127.0.0.1:1/'
  expect((await trust('explain', '@acme/tool', '--upstream', url)).lines[0]).toBe(
    `@acme/tool comes from the registry ${url}`,
  )
  expect((await trust('explain', '@acme/tool', '--peers-only')).lines[0]).toContain('uses none')
})

test('what was learned at first use is kept on purpose by pin', async () => {
  const learning = openTrust({ log }, { trustPath: path, trustOnFirstUse: true })
  await learning.meet({ name: 'tool', publisher: A }, 'has it not')
  expect((await trust('list')).lines.join('\n')).toContain('first use: not compared')
  expect((await trust('explain', 'tool')).lines[1]).toContain('nobody has compared it')
  expect((await trust('pin', 'tool')).exitCode).toBe(EXIT.ok)
  expect((await trust('explain', 'tool', '--json')).json()).toMatchObject({
    ...{ origin: 'network', how: 'added', publishers: [{ fingerprint: A, by: 'key' }] },
  })
  const again = await trust('pin', 'tool')
  expect(again.exitCode).toBe(EXIT.usage)
  expect(again.error).toContain('nobody was trusted at first use')
})

test('a root stands for those it certifies', async () => {
  const rootKey = generateKey()
  const root = keyIdOf(rootKey.publicKey)
  await trust('add', '@acme', root, '--root')
  const before = await trust('explain', '@acme/tool')
  expect(before.lines.join('\n')).toContain(`no valid certificate of ${root} is here`)
  const certificate = issueCertificate(
    {
      ...{ subject: { kind: 'publisher', key: A }, names: ['@acme'], note: "Ada's laptop" },
      ...{ notBeforeMs: Date.now() - 1000, notAfterMs: Date.now() + 3_600_000 },
    },
    rootKey,
  )
  const opened = openTrust({ log }, { trustPath: path, trustOnFirstUse: false })
  await opened.book?.take(root, { revocations: undefined, certificates: [certificate] })
  expect((await trust('explain', '@acme/tool', '--json')).json()).toMatchObject({
    publishers: [{ fingerprint: A, by: 'certificate', root, note: "Ada's laptop" }],
  })
})

test.each([
  [['add', '@acme', 'abc'], "not a key's fingerprint"],
  [['add', '@acme', A.replace(/^..../, '0000')], 'with a slip in it'],
  [['add', '../x', A], 'expected @scope or a package'],
  [['remove', '@acme'], 'says nothing of that'],
  [['explain', '@acme'], 'expected a package'],
])('%j is refused: %s', async (args, why) => {
  const { exitCode, error } = await trust(...args)
  expect(exitCode).toBe(EXIT.usage)
  expect(error).toContain(why)
})
