import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Terminal } from '../shell/terminal.ts'
import { bugCommand, type BugSources } from './bug-command.ts'

const TOKEN = 'npm_0123456789abcdefghijABCDEFGHIJ012345'
const LINES = [
  '2026-11-29T10:00:00.000Z info  request name=@acme/rocket version=1.2.3 ms=12 ok=true',
  `2026-11-29T10:00:01.000Z warn  upstream.failed url=https://npm.acme.example/rocket/${TOKEN} ms=3`,
  '{"level":"info","time":1,"msg":"peer.left","name":"rocket","address":"/ip4/203.0.113.7"}',
  '    at rocket (file:///home/someone/secret.js:1:1)',
]

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'catalog-bug-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const sources: BugSources = {
  version: '1.2.3',
  examine: async () => [
    { name: 'upstream', verdict: 'fail', text: `https://u:p@npm.acme.example/${TOKEN}/: HTTP 401` },
    { name: 'publishers', verdict: 'warn', text: 'two states of rocket', next: 'ask' },
    { name: 'listening', verdict: 'ok', text: `on 203.0.113.7 and 2001:db8::7, ${tmpdir()}` },
  ],
  logLines: async () => LINES,
  metrics: async () => Promise.reject(new Error('no daemon is running')),
}

async function report(withNames: boolean, file?: string) {
  const printed: string[] = []
  const noted: string[] = []
  const terminal: Terminal = {
    env: { CATALOG_PRIVATE_SCOPE: '@acme', CATALOG_UPSTREAM: 'https://npm.acme.example/' },
    ...{ cwd: folder, home: tmpdir(), platform: process.platform },
    ...{ isInteractive: false, canRewrite: false, columns: 80 },
    print: (text) => void printed.push(text),
    ...{ note: (text) => void noted.push(text), raw: () => undefined },
    ...{ paint: (_, text) => text, paintNote: (_, text) => text },
  }
  const signal = new AbortController().signal
  const invocation = { terminal, flags: { store: folder }, configFile: undefined, signal }
  await bugCommand(invocation, { file, withNames }, sources)
  return { text: printed.join('\n'), noted: noted.join('\n') }
}

test('has no secret, no address and no name', async () => {
  const { text, noted } = await report(false)
  for (const word of ['acme', 'rocket', TOKEN, 'u:p', '203.0.113.7', '2001:db8', tmpdir()]) {
    expect(text, word).not.toContain(word)
  }
  expect(JSON.parse(text)).toMatchObject({
    versions: { catalog: '1.2.3', node: process.versions.node },
    settings: { 'private-scope': '1 of them', upstream: 'https://***' },
    doctor: [{ text: 'https://*** HTTP 401' }, { text: 'names left out' }, { verdict: 'ok' }],
    log: [
      '2026-11-29T10:00:00.000Z info request version=1.2.3 ms=12 ok=true',
      '2026-11-29T10:00:01.000Z warn upstream.failed ms=3',
      '{"level":"info","time":1,"msg":"peer.left"}',
    ],
    metrics: expect.stringContaining('no daemon is running'),
  })
  expect(noted).toContain('versions, system, settings, doctor, log, metrics')
})

test('with names it has names, and still no secret; a file is never overwritten', async () => {
  await report(true, 'report.json')
  const text = readFileSync(join(folder, 'report.json'), 'utf8')
  expect(text).toContain('@acme/rocket')
  expect(text).toContain('https://npm.acme.example/')
  for (const word of [TOKEN, 'u:p', '203.0.113.7']) expect(text, word).not.toContain(word)
  await expect(report(true, 'report.json')).rejects.toThrow('is there already')
})
