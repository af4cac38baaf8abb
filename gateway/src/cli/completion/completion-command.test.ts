import { spawnSync } from 'node:child_process'
import { afterEach, expect, test, vi } from 'vitest'
import { runCatalog } from '../../../../test/support/run-catalog.ts'

afterEach(() => vi.restoreAllMocks())

/** The library prints by itself; both outputs, in lines. */
async function printed(...words: string[]): Promise<string[]> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
  log.mockClear()
  const { lines } = await runCatalog('/', ...words)
  return [...log.mock.calls.map(([text]) => String(text)), ...lines]
}

const proposed = async (...words: string[]) =>
  (await printed('complete', '--', ...words)).map((line) => line.split('\t', 1)[0])

test('commands, the commands in them, options and their values', async () => {
  expect(await proposed('')).toEqual(expect.arrayContaining(['start', 'exec', 'config', ':4']))
  expect(await proposed('')).not.toContain('complete')
  expect(await proposed('config', 'v')).toEqual(['validate', ':4'])
  expect(await proposed('store', 'p')).toEqual(['prune', 'pin', ':4'])
  expect(await proposed('start', '--no-md')).toEqual(['--no-mdns', ':4'])
  expect(await proposed('start', '--log-level', '')).toEqual(
    expect.arrayContaining(['silent', 'debug']),
  )
  expect(await proposed('use', 'pn')).toEqual(['pnpm', ':4'])
  expect(await proposed('completion', 'b')).toEqual(['bash', ':4'])
})

test('files are left to the shell', async () => {
  for (const words of [
    ['exec', '--', 'node', ''],
    ['prefetch', ''],
    ['start', '--config', 'c'],
  ]) {
    expect(await proposed(...words), words.join(' ')).toEqual([':0'])
  }
})

test.each(['bash', 'zsh', 'fish', 'powershell'])('a script for %s', async (shell) => {
  const text = (await printed('completion', shell)).join('\n')
  expect(text).toContain('catalog complete')
  if (shell !== 'bash' || process.platform === 'win32') return
  expect(spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' })).toMatchObject({
    status: 0,
    stderr: '',
  })
})
