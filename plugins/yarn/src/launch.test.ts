import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { findCatalog, launchDaemon } from './launch.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-launch-'))
})
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }))

/** As npm installs a package for a user: its files, and a link (or on Windows a .cmd) to its program. */
async function installed(name: string, bin = join(folder, 'bin')): Promise<string> {
  const isWindows = process.platform === 'win32'
  const at = join(isWindows ? bin : join(folder, 'lib'), 'node_modules', ...name.split('/'))
  await mkdir(join(at, 'dist'), { recursive: true })
  await mkdir(bin, { recursive: true })
  await writeFile(
    join(at, 'package.json'),
    JSON.stringify({ name, bin: { catalog: 'dist/cli.js' } }),
  )
  await writeFile(join(at, 'dist', 'cli.js'), '')
  if (isWindows) await writeFile(join(bin, 'catalog.cmd'), '')
  else await symlink(join(at, 'dist', 'cli.js'), join(bin, 'catalog'))
  return join(at, 'dist', 'cli.js')
}

describe('the catalog on PATH', () => {
  test('is ours', async () => {
    const script = await installed('@catalog-p2p/gateway')
    const path = [join(folder, 'nothing'), 'relative', join(folder, 'bin')].join(delimiter)
    expect(findCatalog({ PATH: path })).toBe(script)
    expect(findCatalog({ Path: path })).toBe(script)
  })

  test("is somebody else's, or in a project, or not there", async () => {
    await installed('catalog-of-books')
    expect(findCatalog({ PATH: join(folder, 'bin') })).toBeUndefined()
    const inProject = join(folder, 'node_modules', '.bin')
    await installed('@catalog-p2p/gateway', inProject)
    expect(findCatalog({ PATH: inProject })).toBeUndefined()
    expect(findCatalog({})).toBeUndefined()
  })
})

test('it is started beside us, on our port, with what it needs of the environment', async () => {
  const script = join(folder, 'catalog.mjs')
  const report = join(folder, 'report.json')
  await writeFile(
    script,
    `import { renameSync, writeFileSync } from 'node:fs'
const wanted = /NODE_OPTIONS|BERRY|TOKEN|npm_config|_proxy$|CATALOG_|^HOME$/i
const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => wanted.test(key)))
const facts = { args: process.argv.slice(2), env }
console.log('started')
writeFileSync(${JSON.stringify(`${report}.tmp`)}, JSON.stringify(facts))
renameSync(${JSON.stringify(`${report}.tmp`)}, ${JSON.stringify(report)})
`,
  )
  const logFile = join(folder, 'daemon.log')
  const { PATH = '', SystemRoot = '' } = process.env
  const kept = { HOME: folder, CATALOG_STORE: folder, https_proxy: 'http://127.0.0.1:1' }
  const others = {
    ...{ NODE_OPTIONS: '--require x', BERRY_BIN_FOLDER: '/x', NPM_TOKEN: 's3cret' },
    ...{ npm_config_registry: 'https://main.invalid/', YARN_NPM_AUTH_TOKEN: 's3cret' },
  }
  const env = { PATH, SystemRoot, ...kept, ...others }
  expect(launchDaemon({ command: script, env, port: 4999, logFile })).toBe(true)
  await vi.waitFor(
    async () =>
      expect(JSON.parse(await readFile(report, 'utf8'))).toEqual({
        args: ['start', '--port', '4999', '--log-level', 'warn'],
        env: kept,
      }),
    { timeout: 10_000 },
  )
  await vi.waitFor(async () => expect(await readFile(logFile, 'utf8')).toBe('started\n'))
})

test('without one nothing is started', () => {
  const logFile = join(folder, 'daemon.log')
  const none = { env: {}, port: 1, logFile }
  expect(launchDaemon({ ...none, command: undefined })).toBe(false)
  expect(launchDaemon({ ...none, command: join(folder, 'missing') })).toBe(false)
})
