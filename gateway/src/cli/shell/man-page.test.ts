/** catalog(1): every command and option that help shows, in what mandoc and groff read without a word. */
import { spawnSync } from 'node:child_process'
import type { Command } from 'commander'
import { beforeAll, describe, expect, test } from 'vitest'
import { manPage } from './man-page.ts'
import { createProgram } from './program.ts'
import { processTerminal } from './terminal.ts'

let program: Command
let page: string
beforeAll(() => {
  const nothing = (): undefined => undefined
  program = createProgram({
    ...{ version: '1.2.3', terminal: processTerminal(), signal: new AbortController().signal },
    ...{ takeSignals: nothing, outliveReaders: nothing, run: () => Promise.resolve() },
    exit: (code) => {
      throw new Error(`exit ${code}`)
    },
  })
  page = manPage(program, '2026-01-31')
})

test('says what help says, and nothing that it hides', () => {
  for (const words of ['.SS "catalog exec ', '.SS "catalog swarm invite', '\\-\\-no\\-mdns']) {
    expect(page.includes(words), words).toBe(true)
  }
  expect(page.includes('catalog complete ')).toBe(false)
  expect(page.includes('\\-\\-allowed\\-host')).toBe(false)
  expect(page.split('\n').filter((line) => /^'|[^\0-\x7f]/.test(line))).toEqual([])
  const requests = new Set(page.match(/^\.\w+/gm))
  expect([...requests].sort()).toEqual(['.B', '.I', '.PP', '.SH', '.SS', '.TH', '.TP'])
})

describe('is read without a warning', () => {
  const readers = [
    ['mandoc', ['-T', 'lint', '-W', 'warning']],
    ['groff', ['-man', '-ww', '-z']],
  ] as const
  test.for(readers)('by %s', ([reader, args], { skip }) => {
    const { error, status, stdout, stderr } = spawnSync(reader, args, {
      ...{ input: page, encoding: 'utf8' },
    })
    if (error !== undefined) skip(`there is no ${reader} here`)
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' })
  })
})
