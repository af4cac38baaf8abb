/** `use pnpm --pnpmfile`: what is written where, that nothing of others is replaced, and that it is undone byte for byte. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { pnpmConfigFolder } from '../../clients/pnpm/pnpm-files.ts'
import { pnpmfileCopy, pnpmfileFiles, refuseBothWays } from './use-pnpmfile.ts'
import { unuseClients, useClient, useFiles, type FileReport, type UseDependencies } from './use.ts'
import { readUseState, useStatePath } from './use-state.ts'

const URL_A = 'http://127.0.0.1:4874/'
const URL_B = 'http://127.0.0.1:5000/'

let home: string
let deps: UseDependencies
let rc: string
let yaml: string
let npmrc: string
beforeEach(() => {
  // As people's names are.
  home = mkdtempSync(join(tmpdir(), 'catalog home jürgen-'))
  deps = {
    context: { env: {}, home, platform: process.platform },
    statePath: useStatePath(join(home, 'state')),
  }
  const folder = pnpmConfigFolder(deps.context)
  mkdirSync(folder, { recursive: true })
  ;[rc, yaml, npmrc] = [join(folder, 'rc'), join(folder, 'config.yaml'), join(home, '.npmrc')]
})
afterEach(() => rmSync(home, { recursive: true }))

async function use(url = URL_A, source?: string): Promise<FileReport[]> {
  const files = await pnpmfileFiles(deps, { url, source })
  const check = (state: Parameters<typeof refuseBothWays>[1]) => refuseBothWays(deps, state, true)
  return useFiles(deps, 'pnpm', { url, files, check })
}
const read = (path: string): string => readFileSync(path, 'utf8')
const named = (): string => pnpmfileCopy(deps).replaceAll('\\', '/')

test('new files, and gone again', async () => {
  const actions = (await use()).map(({ path, action }) => [path, action])
  expect(actions).toEqual([pnpmfileCopy(deps), rc, yaml].map((path) => [path, 'written']))
  expect(read(rc)).toMatch(/^# .*\n/)
  expect(read(rc).split('\n')[1]).toBe(`global-pnpmfile="${named()}"`)
  expect(read(yaml).split('\n')[1]).toBe(`globalPnpmfile: "${named()}"`)
  expect(existsSync(npmrc)).toBe(false)
  const loaded = createRequire(import.meta.url)(pnpmfileCopy(deps)) as { fetchers: unknown }
  expect(loaded.fetchers).toHaveLength(1)

  const undone = await unuseClients(deps, ['pnpm'])
  // The file goes last: pnpm fails where its global pnpmfile is missing.
  expect(undone.map(({ path, action }) => [path, action])).toEqual(
    [yaml, rc, pnpmfileCopy(deps)].map((path) => [path, 'removed']),
  )
  for (const { path } of undone) expect(existsSync(path)).toBe(false)
  expect(existsSync(deps.statePath)).toBe(false)
})

test('what the files held before stays, byte for byte', async () => {
  const before = new Map([
    [rc, 'store-dir=/x\r\n[a]\r\nglobal-pnpmfile=no\r\n'],
    [yaml, '\u{feff}# mine\nstoreDir: /x # why\n'],
    [npmrc, 'registry=https://reg.example/\n'],
  ])
  for (const [path, text] of before) writeFileSync(path, text)
  await use()
  await use(URL_B)
  expect(read(rc).split('\r\n')[2]).toBe(`global-pnpmfile="${named()}"`)
  expect(read(yaml)).toContain('storeDir: /x # why\n')
  expect(read(npmrc)).toBe(before.get(npmrc))
  writeFileSync(yaml, `${read(yaml)}new: 1\n`)
  await unuseClients(deps, undefined)
  expect(read(rc)).toBe(before.get(rc))
  expect(read(yaml)).toBe(`${before.get(yaml)}new: 1\n`)
  expect(existsSync(pnpmfileCopy(deps))).toBe(false)
})

test('another port is told to the file', async () => {
  await use()
  expect(read(pnpmfileCopy(deps))).not.toContain('process.env.CATALOG_PORT ||=')
  await use(URL_B)
  const lines = read(pnpmfileCopy(deps)).split('\n')
  expect(lines.slice(1, 3)).toEqual(["'use strict'", "process.env.CATALOG_PORT ||= '5000'"])
})

test.each([
  ['rc', () => rc, 'global-pnpmfile=/mine.cjs\n'],
  ['config.yaml', () => yaml, 'globalPnpmfile: /mine.cjs\n'],
  ['~/.npmrc', () => npmrc, 'a=1\nglobal-pnpmfile = /mine.cjs\n'],
])(
  'a global pnpmfile of the user in %s is not replaced, and nothing changed',
  async (_, file, text) => {
    writeFileSync(file(), text)
    await expect(use()).rejects.toThrow(/names another global pnpmfile already .*\/mine\.cjs/)
    expect(read(file())).toBe(text)
    expect([rc, yaml, npmrc, pnpmfileCopy(deps)].filter(existsSync)).toEqual([file()])
  },
)

test('one way at a time', async () => {
  await useClient(deps, 'pnpm', URL_A)
  await expect(use()).rejects.toThrow(/uses this gateway already, as its registry/)
  await unuseClients(deps, undefined)
  await use()
  const state = await readUseState(deps.statePath)
  expect(() => refuseBothWays(deps, state, false)).toThrow(/by the global pnpmfile/)
  expect(() => refuseBothWays(deps, new Map(), false)).not.toThrow()
})

test('only our own pnpmfile is taken', async () => {
  const other = join(home, 'other.cjs')
  writeFileSync(other, 'module.exports = {}\n')
  await expect(use(URL_A, other)).rejects.toThrow(/not the pnpmfile of pnpm-catalog-p2p/)
  await expect(use(URL_A, join(home, 'none.cjs'))).rejects.toThrow(/not the pnpmfile/)
  await expect(use('http://[::1]:4874/')).rejects.toThrow(/asks 127\.0\.0\.1/)
  expect(existsSync(dirname(deps.statePath))).toBe(false)
})
