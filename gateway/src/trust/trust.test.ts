import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keyIdFromBytes, type Logger } from '@catalog-p2p/core'
import { changeTrustFile, trustFilePath } from './trust-file.ts'
import { withEntry, withoutEntries } from './trust-entries.ts'
import { openTrust, type Trust } from './trust.ts'

const A = keyIdFromBytes(new Uint8Array(32).fill(1))
const B = keyIdFromBytes(new Uint8Array(32).fill(2))
const ofAcme = { subject: '@acme', kind: 'key', id: A, how: 'added', comment: '' } as const

let folder: string
let path: string
let logged: string[]
let nowMs = 0
const note = (event: string): void => void logged.push(event)
const log: Logger = { debug: note, info: note, warn: note, error: note }

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-trust-'))
  path = trustFilePath(folder)
  logged = []
})
afterEach(() => rm(folder, { recursive: true }))

const open = (trustOnFirstUse = false): Trust =>
  openTrust({ log, nowMs: () => nowMs }, { trustPath: path, trustOnFirstUse })
const kindOf = (trust: Trust, name = '@acme/tool'): string => {
  nowMs += 1_000
  return trust.originOf(name).kind
}

test('the file is read again when it has changed', async () => {
  const trust = open()
  expect(kindOf(trust)).toBe('registry')
  await changeTrustFile(path, (text) => withEntry(text, ofAcme))
  expect(kindOf(trust)).toBe('network')
  await changeTrustFile(path, (text) => withoutEntries(text, () => true))
  expect(kindOf(trust)).toBe('registry')
})

test('a file that makes no sense any more gives no name to a registry', async () => {
  await changeTrustFile(path, (text) => withEntry(text, ofAcme))
  const trust = open()
  await writeFile(path, '@acme is mine\n')
  expect(kindOf(trust)).toBe('network')
  expect(kindOf(trust)).toBe('network')
  expect(logged.filter((event) => event === 'trust.unreadable')).toHaveLength(1)
  expect(() => open()).toThrow(/trusted-publishers\.txt:1: expected/)
  await expect(changeTrustFile(path, () => '')).rejects.toThrow('expected')
  expect(await readFile(path, 'utf8')).toBe('@acme is mine\n')
  await writeFile(path, `@other key ${A}\n`)
  expect(kindOf(trust)).toBe('registry')
})

test.skipIf(process.platform === 'win32')('it is for its user alone', async () => {
  await changeTrustFile(path, (text) => withEntry(text, ofAcme))
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  const trust = open()
  await chmod(path, 0o620)
  expect(() => open()).toThrow('others than its owner may write it')
  expect(kindOf(trust)).toBe('network')
  await chmod(path, 0o644)
  expect(kindOf(open())).toBe('network')
})

test('first use binds a name once, in the file, with a notice', async () => {
  const trust = open(true)
  const both = [A, B].map((publisher) => trust.meet({ name: 'tool', publisher }, 'has it not'))
  expect((await Promise.all(both)).map(({ verdict }) => verdict)).toEqual(['bind', 'refuse'])
  expect(trust.originOf('tool')).toMatchObject({ publishers: [A], how: 'first-use' })
  expect(logged).toContain('trust.first-use')
  expect(await readFile(path, 'utf8')).toMatch(/^tool {2}key {2}\S+ {2}first-use {2}# seen first/m)
  expect(open().originOf('tool')).toMatchObject({ publishers: [A] })
})

test('first use binds nothing unless it was asked for', async () => {
  const trust = open()
  expect(await trust.meet({ name: 'tool', publisher: A }, 'no registry')).toMatchObject({
    verdict: 'refuse',
  })
  expect(kindOf(trust, 'tool')).toBe('registry')
  const without = openTrust({ log }, { trustPath: undefined, trustOnFirstUse: true })
  expect(await without.meet({ name: 'tool', publisher: A }, 'no registry')).toMatchObject({
    verdict: 'refuse',
  })
})
