import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CLIENTS, type ClientName } from '../../clients/client.ts'
import { clientFiles } from '../../clients/client-files.ts'
import { unuseClients, useClient, type UseDependencies } from './use.ts'
import { upstreamBeforeUse } from './upstream-before-use.ts'
import { useStatePath } from './use-state.ts'

const URL_A = 'http://127.0.0.1:4874/'
const URL_B = 'http://127.0.0.1:5000/'

let home: string
let deps: UseDependencies
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'catalog-home-'))
  deps = {
    context: { env: {}, home, platform: process.platform },
    statePath: useStatePath(join(home, 'state')),
  }
})
afterEach(() => rmSync(home, { recursive: true }))

const path = (name: string): string => join(home, name)
const write = (name: string, content: string | Buffer): void => {
  mkdirSync(dirname(path(name)), { recursive: true })
  writeFileSync(path(name), content)
}
const read = (name: string): string => readFileSync(path(name), 'utf8')

/** Every file of the home folder with its bytes. */
function snapshot(): Map<string, string> {
  const files = readdirSync(home, { recursive: true, withFileTypes: true })
  return new Map(
    files
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [file, readFileSync(file, 'latin1')]),
  )
}

/** The registry that each of the client's files names, as the client reads it. */
function registries(client: ClientName): (string | undefined)[] {
  return clientFiles(client, deps.context)
    .filter((file) => existsSync(file.path))
    .map((file) => file.format.registryOf(readFileSync(file.path, 'latin1')))
}

describe('use', () => {
  test('npm: a new file with one setting, and gone again', async () => {
    const reports = await useClient(deps, 'npm', URL_A)
    expect(reports).toEqual([{ path: path('.npmrc'), action: 'written', registry: URL_A }])
    expect(read('.npmrc')).toMatch(/^# .*\nregistry=http:\/\/127\.0\.0\.1:4874\/\n$/)
    expect(await unuseClients(deps, undefined)).toMatchObject([{ action: 'removed' }])
    expect([...snapshot().keys()]).toEqual([])
  })

  test('npm: other lines, comments, tokens and sections stay where they are', async () => {
    const before =
      '; mine\r\n//reg.example/:_authToken=secret\r\n registry = https://reg.example/  \r\n\r\n[section]\r\nregistry=no\r\n'
    write('.npmrc', before)
    await useClient(deps, 'npm', URL_A)
    const after = read('.npmrc').split('\r\n')
    expect(after.filter((line) => !before.includes(line))).toHaveLength(2)
    expect(after[3]).toBe(`registry=${URL_A}`)
    expect(await upstreamBeforeUse(deps)).toBe('https://reg.example/')
    await unuseClients(deps, ['npm'])
    expect(read('.npmrc')).toBe(before)
  })

  test('pnpm: also the files that it would take before ~/.npmrc', async () => {
    const config = clientFiles('pnpm', deps.context)[2]?.path ?? ''
    mkdirSync(dirname(config), { recursive: true })
    writeFileSync(
      config,
      '# x\nregistries:\n    default: https://one.example/ # why\n    "@a": z\nregistry:   b\n',
    )
    await useClient(deps, 'pnpm', URL_A)
    expect(readFileSync(config, 'utf8')).toContain(`    default: "${URL_A}" # why\n    "@a": z\n`)
    expect(readFileSync(config, 'utf8')).toContain(`registry:   "${URL_A}"\n`)
    expect(registries('pnpm')).toEqual([URL_A, URL_A])
    await unuseClients(deps, undefined)
    expect(readFileSync(config, 'utf8')).toContain('default: https://one.example/ # why')
  })

  test('yarn: Berry needs the host in its whitelist, Yarn 1 its own file', async () => {
    write('.yarnrc.yml', 'nodeLinker: node-modules\nunsafeHttpWhitelist:\n- other # keep\n')
    write('.npmrc', 'registry=https://reg.example/\n')
    await useClient(deps, 'yarn', URL_A)
    const lines = read('.yarnrc.yml').split('\n')
    expect(lines).toContain('npmRegistryServer: "http://127.0.0.1:4874"')
    expect(lines.slice(1, 4)).toEqual(['unsafeHttpWhitelist:', '- "127.0.0.1"', '- other # keep'])
    expect(read('.yarnrc')).toContain(`registry "${URL_A}"\n`)
    expect(read('.npmrc')).toContain(`registry=${URL_A}\n`)
    await unuseClients(deps, ['yarn'])
    expect([...snapshot().keys()]).toEqual([path('.npmrc'), path('.yarnrc.yml')])
  })

  test.each([
    ['unsafeHttpWhitelist: []\n', 'unsafeHttpWhitelist: ["127.0.0.1"]'],
    ["unsafeHttpWhitelist: ['a', b] # c\n", `unsafeHttpWhitelist: ["127.0.0.1", 'a', b] # c`],
    ['unsafeHttpWhitelist:\n  [\n    a,\n  ]\n', '  ["127.0.0.1",'],
    ['unsafeHttpWhitelist: # none\n', 'unsafeHttpWhitelist: ["127.0.0.1"] # none'],
    ['unsafeHttpWhitelist: ["*"]\n', 'unsafeHttpWhitelist: ["*"]'],
    ['npmRegistryServer:\n', 'npmRegistryServer: "http://127.0.0.1:4874"'],
    ['\u{feff}npmRegistryServer: "https://a"\n', 'npmRegistryServer: "http://127.0.0.1:4874"'],
  ])('yarn: %j', async (before, line) => {
    write('.yarnrc.yml', before)
    await useClient(deps, 'yarn', URL_A)
    expect(read('.yarnrc.yml').replace('\u{feff}', '').split('\n')).toContain(line)
    await unuseClients(deps, undefined)
    expect(read('.yarnrc.yml')).toBe(before)
  })

  test.each([
    ['', '[install]'],
    ['[install]\r\nfrozen = true\r\n', `registry = "${URL_A}"\r`],
    ['[install]\nregistry = "https://a/" # why', `registry = "${URL_A}" # why`],
    [
      '[install]\nregistry = { url = \'https://a/\', token = "t" }\n',
      `registry = { url = "${URL_A}", token = "t" }`,
    ],
    ['[install.registry]\nurl = "https://a/"\ntoken = "t"\n', `url = "${URL_A}"`],
    ['install.registry = "https://a/"\n', `install.registry = "${URL_A}"`],
    ['[other]\nx = """\n[install]\nregistry = "no"\n"""\n', 'registry = "no"'],
  ])('bun: %j', async (before, line) => {
    write('.bunfig.toml', before)
    await useClient(deps, 'bun', URL_A)
    expect(read('.bunfig.toml').split('\n')).toContain(line)
    expect(registries('bun')).toEqual([URL_A])
    await unuseClients(deps, undefined)
    expect(read('.bunfig.toml')).toBe(before)
  })

  test.each([
    ['yarn', '.yarnrc.yml', 'npmRegistryServer: |\n  https://a\n'],
    ['yarn', '.yarnrc.yml', 'unsafeHttpWhitelist: {a: b}\n'],
    ['yarn', '.yarnrc.yml', '- a\n'],
    ['yarn', '.yarnrc.yml', 'a: [\n'],
    ['bun', '.bunfig.toml', 'install = { registry = "https://a/" }\n'],
    ['bun', '.bunfig.toml', '[install]\nregistry = """\nhttps://a/"""\n'],
    ['npm', '.npmrc', 'r\0e\0g\0'],
  ] as const)(
    '%s: %s with %j is refused, and nothing at all is changed',
    async (client, file, text) => {
      write(file, text)
      const before = snapshot()
      await expect(useClient(deps, client, URL_A)).rejects.toMatchObject({
        code: 'INVALID_OPTIONS',
      })
      expect(snapshot()).toEqual(before)
    },
  )

  test('a file shared by clients stays until the last of them leaves', async () => {
    write('.npmrc', 'a=1')
    await useClient(deps, 'npm', URL_A)
    expect(await useClient(deps, 'pnpm', URL_A)).toMatchObject([{ action: 'unchanged' }])
    expect(await unuseClients(deps, ['npm'])).toMatchObject([{ action: 'kept' }])
    expect(registries('npm')).toEqual([URL_A])
    expect(await unuseClients(deps, ['npm'])).toEqual([])
    expect(await unuseClients(deps, ['pnpm'])).toMatchObject([{ action: 'restored' }])
    expect(read('.npmrc')).toBe('a=1')
  })

  test('changes made in between are kept; only our lines go', async () => {
    write('.npmrc', 'a=1\nregistry=https://reg.example/\n')
    await useClient(deps, 'npm', URL_A)
    write('.npmrc', `new=2\r\n${read('.npmrc').replaceAll('\n', '\r\n')}b=3\r\n`)
    expect(await unuseClients(deps, undefined)).toMatchObject([
      { action: 'cleaned', registry: 'https://reg.example/' },
    ])
    expect(read('.npmrc')).toBe('new=2\r\na=1\r\nregistry=https://reg.example/\r\nb=3\r\n')
  })

  test('a registry that the user has set in between is left, and said so', async () => {
    await useClient(deps, 'npm', URL_A)
    write('.npmrc', 'registry=https://new.example/\n')
    const [report] = await unuseClients(deps, undefined)
    expect(report).toMatchObject({ action: 'cleaned' })
    expect(report?.note).toContain(`registry=${URL_A}`)
    expect(read('.npmrc')).toBe('registry=https://new.example/\n')
  })

  test('using again with another port replaces ours and still undoes to the beginning', async () => {
    write('.npmrc', 'registry=https://reg.example/\nb=1')
    const before = snapshot()
    await useClient(deps, 'npm', URL_A)
    await useClient(deps, 'npm', URL_B)
    expect(read('.npmrc')).not.toContain('4874')
    expect(await upstreamBeforeUse(deps)).toBe('https://reg.example/')
    await unuseClients(deps, undefined)
    expect(snapshot()).toEqual(before)
  })

  test('keeps the mode, follows links, and keeps its own state private', async () => {
    mkdirSync(path('dotfiles'))
    write('dotfiles/npmrc', 'a=1\n')
    if (process.platform !== 'win32') chmodSync(path('dotfiles/npmrc'), 0o640)
    symlinkSync(join('dotfiles', 'npmrc'), path('.npmrc'))
    await useClient(deps, 'npm', URL_A)
    expect(lstatSync(path('.npmrc')).isSymbolicLink()).toBe(true)
    expect(read('dotfiles/npmrc')).toContain(URL_A)
    if (process.platform !== 'win32') {
      expect(statSync(path('dotfiles/npmrc')).mode & 0o777).toBe(0o640)
      expect(statSync(deps.statePath).mode & 0o777).toBe(0o600)
    }
    await unuseClients(deps, undefined)
    expect(read('dotfiles/npmrc')).toBe('a=1\n')
    expect(readdirSync(path('dotfiles'))).toEqual(['npmrc'])
  })

  test('an interrupted use (state written, file not) undoes to the beginning', async () => {
    write('.npmrc', 'a=1')
    await useClient(deps, 'npm', URL_A)
    write('.npmrc', 'a=1')
    expect(await unuseClients(deps, undefined)).toMatchObject([{ action: 'unchanged' }])
    expect(read('.npmrc')).toBe('a=1')
  })

  test('an interrupted second use (state written, file not) undoes to the beginning as well', async () => {
    write('.npmrc', 'a=1')
    await useClient(deps, 'npm', URL_A)
    const first = read('.npmrc')
    await useClient(deps, 'npm', URL_B)
    write('.npmrc', first)
    expect(await unuseClients(deps, undefined)).toMatchObject([{ action: 'restored' }])
    expect(read('.npmrc')).toBe('a=1')
  })

  test('a state file that makes no sense is an error, not lost', async () => {
    mkdirSync(dirname(deps.statePath))
    writeFileSync(deps.statePath, '{}')
    await expect(useClient(deps, 'npm', URL_A)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    expect(readFileSync(deps.statePath, 'utf8')).toBe('{}')
  })

  test('honours NPM_CONFIG_USERCONFIG and XDG_CONFIG_HOME', async () => {
    const env = { NPM_CONFIG_USERCONFIG: path('mine.npmrc'), XDG_CONFIG_HOME: path('xdg') }
    deps = { ...deps, context: { ...deps.context, env } }
    await useClient(deps, 'npm', URL_A)
    await useClient(deps, 'bun', URL_A)
    expect(read('mine.npmrc')).toContain(URL_A)
    expect(read('xdg/.bunfig.toml')).toContain(URL_A)
  })
})

// Lines that mean something to one format or another, beside anything at all.
const line = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
  fc.constantFrom(
    'registry=https://a.example/',
    ' registry = "https://a.example/" ; x',
    '//a.example/:_authToken=${TOKEN}',
    '@scope:registry=https://b.example/',
    '# comment',
    'registry "https://a.example/"',
    'npmRegistryServer: https://a.example',
    'unsafeHttpWhitelist:',
    '  - a.example',
    'unsafeHttpWhitelist: [a, b]',
    'nodeLinker: pnp # c',
    '[install]',
    'registry = "https://a.example/"',
    '[install.scopes]',
    '',
  ),
)
const content = fc.oneof(
  fc.constant(undefined),
  fc
    .record({
      mark: fc.constantFrom('', '\u{feff}'),
      lines: fc.array(line, { maxLength: 8 }),
      end: fc.constantFrom('\n', '\r\n'),
      closed: fc.boolean(),
    })
    .map(({ mark, lines, end, closed }) =>
      Buffer.from(mark + lines.join(end) + (closed ? end : '')),
    ),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
)

test('whatever the files held, use then unuse leaves every byte as it was', async () => {
  let edited = 0
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...CLIENTS),
      fc.array(content, { minLength: 3, maxLength: 3 }),
      fc.array(fc.constantFrom(URL_A, URL_B), { minLength: 1, maxLength: 3 }),
      async (client, contents, urls) => {
        rmSync(home, { recursive: true })
        mkdirSync(home)
        for (const [index, file] of clientFiles(client, deps.context).entries()) {
          const bytes = contents[index]
          if (bytes === undefined) continue
          mkdirSync(dirname(file.path), { recursive: true })
          writeFileSync(file.path, bytes)
        }
        const before = snapshot()
        for (const url of urls) {
          try {
            await useClient(deps, client, url)
            edited++
            const wanted = client === 'yarn' ? [url, url.slice(0, -1)] : [url]
            for (const registry of registries(client)) {
              if (registry !== undefined) expect(wanted).toContain(registry)
            }
          } catch (error) {
            // A file that can't be edited safely; then nothing may have changed.
            expect(error).toMatchObject({ code: 'INVALID_OPTIONS' })
            expect(snapshot()).toEqual(before)
          }
        }
        await unuseClients(deps, undefined)
        expect(snapshot()).toEqual(before)
      },
    ),
    { numRuns: 300 },
  )
  expect(edited).toBeGreaterThan(100)
})
