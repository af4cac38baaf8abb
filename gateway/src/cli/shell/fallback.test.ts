/** The command on a Node that is too old, and with files missing: nothing may load but what says so. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { catalogOptions } from '../../../../test/support/catalog-parser.ts'
import { FLAGS_WITHOUT_VALUE, whyNodeIsTooOld } from './fallback.ts'

const CLI = new URL('../../cli.ts', import.meta.url)
const PRETEND_OLD =
  'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.20.2"})'

/** Like a file that an installation lacks; `name` as in import specifiers. */
function pretendMissing(name: string): string {
  const hook = `export async function resolve(specifier, context, next) {
    if (specifier.endsWith(${JSON.stringify(name)})) throw new Error('Cannot find ' + specifier)
    return next(specifier, context)
  }`
  const hookUrl = `data:text/javascript,${encodeURIComponent(hook)}`
  const register = `import { register } from 'node:module'; register(${JSON.stringify(hookUrl)})`
  return `data:text/javascript,${encodeURIComponent(register)}`
}

function catalogOnOldNode(...args: string[]) {
  return catalogWith(PRETEND_OLD, args)
}

function catalogWith(preload: string, args: readonly string[]) {
  const flags = ['--conditions=@catalog-p2p/source', '--disable-warning=ExperimentalWarning']
  flags.push('--import', preload)
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
  expect(whyNodeIsTooOld(version) !== undefined).toBe(expected)
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

test('exec knows its options there, too: dashes are not needed', () => {
  const words = [process.execPath, '-e', 'process.exitCode = 7', '--', '--json']
  const given = ['--seed', '5s', '-q', '--port=1', '--no-mdns', '--json', '--store', '/nowhere']
  expect(catalogOnOldNode('exec', ...given, ...words).status).toBe(7)
  expect(catalogOnOldNode('exec', '--seed', '--', ...words).status).toBe(7)
})

test('the options that take no value are those of the command line', () => {
  const alone = catalogOptions('exec').filter(({ takesValue }) => !takesValue)
  const flags = alone.flatMap(({ names }) => names).filter((flag) => !flag.startsWith('--no-'))
  expect([...FLAGS_WITHOUT_VALUE].toSorted()).toEqual(flags.toSorted())
  const valued = catalogOptions('exec').filter(({ takesValue }) => takesValue)
  expect(valued.length).toBeGreaterThan(20)
  for (const { names } of valued) for (const name of names) expect(name).not.toMatch(/^--no-/)
})

test('exec with a command that is not there ends with 127', () => {
  const { status, stderr } = catalogOnOldNode('exec', '--', 'no-such-command-here')
  expect(stderr).toContain('no-such-command-here: command not found')
  expect(status).toBe(127)
})

test.each(['/main.ts', '@catalog-p2p/core', '/exec-command.ts', '/gateway.ts'])(
  'exec runs the command without %s',
  (missing) => {
    const words = [process.execPath, '-e', 'process.exitCode = 7']
    const { status, stderr } = catalogWith(pretendMissing(missing), ['exec', '--', ...words])
    expect(stderr).toContain('installing it again should help')
    expect(stderr).toContain('without peers')
    expect(status).toBe(7)
  },
)

test('another command without its files says what to do', () => {
  const { status, stderr } = catalogWith(pretendMissing('@catalog-p2p/core'), ['status'])
  expect(stderr).toContain('installing it again should help')
  expect(status).toBe(1)
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
