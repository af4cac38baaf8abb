/** The command on a Node that is too old: nothing of ours may load there but what says so. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { isTooOld } from './old-node.ts'

const CLI = new URL('../cli.ts', import.meta.url)
const PRETEND_OLD =
  'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.20.2"})'

function catalogOnOldNode(...args: string[]) {
  const flags = ['--disable-warning=ExperimentalWarning', '--import', PRETEND_OLD]
  return spawnSync(process.execPath, [...flags, fileURLToPath(CLI), ...args], {
    encoding: 'utf8',
    timeout: 30_000,
  })
}

test.each([
  ['18.20.8', true],
  ['22.18.0', true],
  ['22.19.0', false],
  ['24.0.0', false],
])('%s too old: %s', (version, expected) => {
  expect(isTooOld(version)).toBe(expected)
})

test('a command says which Node it needs', () => {
  const { status, stdout, stderr } = catalogOnOldNode('status')
  expect(stderr).toBe('catalog: this is Node 20.20.2, and Node 22.19 or newer is needed\n')
  expect(stdout).toBe('')
  expect(status).toBe(1)
})

test('exec runs the command all the same, and ends with its exit code', () => {
  const script = 'console.log(process.argv[1]); process.exitCode = 7'
  const words = [process.execPath, '-e', script, '--', 'one two']
  const { status, stdout, stderr } = catalogOnOldNode('exec', '--seed', '5s', '--', ...words)
  expect(stdout).toBe('one two\n')
  expect(stderr).toContain('without peers')
  expect(status).toBe(7)
})

test('exec with a command that is not there ends with 127', () => {
  const { status, stderr } = catalogOnOldNode('exec', '--', 'no-such-command-here')
  expect(stderr).toContain('no-such-command-here: command not found')
  expect(status).toBe(127)
})

test('what loads on an old Node imports nothing that may not', () => {
  const seen = new Set<string>()
  const packages = new Set<string>()
  const walk = (file: URL): void => {
    if (seen.has(file.href)) return
    seen.add(file.href)
    const imports = readFileSync(file, 'utf8').matchAll(
      /^import (?!type )[^']*? from '([^']+)'$/gms,
    )
    for (const [, name = ''] of imports) {
      if (name.startsWith('.')) walk(new URL(name, file))
      else if (!name.startsWith('node:')) packages.add(name)
    }
  }
  walk(CLI)
  expect([...packages]).toEqual(['cross-spawn'])
})
