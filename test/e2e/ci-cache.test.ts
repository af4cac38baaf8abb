/** What `catalog exec` keeps in CI is restored by jobs of others: it holds nothing of private packages, not even a name. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { digestToHex, parseDigest } from '../../core/src/content/digest.ts'
import { createWorkspace, type Workspace } from '../support/client.ts'
import { clientByExec, type ExecResult } from '../support/exec-run.ts'
import { findClient } from '../support/clients.ts'
import { incompressibleBytes, makePackage } from '../support/fixture-packages.ts'
import { startUpstream, type FaultyUpstream } from '../support/registries/upstream.ts'

const secret = makePackage('@corp/secret', '1.0.0')
const large = makePackage('@corp/large', '1.0.0', {}, [
  { path: 'big.bin', content: incompressibleBytes(3_000_000, 'corp') },
])
const open = makePackage('fx-open', '1.0.0')
let workspace: Workspace
let registry: FaultyUpstream
beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startUpstream([secret, large, open])
  registry.wall(/corp/, ['Bearer corp-token'])
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await workspace[Symbol.asyncDispose]()
})

test('nothing of a private package is in the store of a CI job', async () => {
  const home = await workspace.folder('home')
  const cwd = join(home, 'project')
  await mkdir(cwd)
  const dependencies = { [secret.name]: '1.0.0', [large.name]: '1.0.0', [open.name]: '1.0.0' }
  await writeFile(join(cwd, 'package.json'), JSON.stringify({ name: 'p', dependencies }))
  const { host } = new URL(registry.url)
  await writeFile(join(cwd, '.npmrc'), `//${host}/:_authToken=corp-token\n`)
  const store = join(home, 'store')
  let runs = 0
  const install = (args: readonly string[], options: readonly string[]): Promise<ExecResult> =>
    clientByExec(findClient('npm-11'), [...args, '--no-audit', '--no-fund'], {
      ...{ cwd, home, options: ['--store', store, ...options] },
      // With a cache of its own each time: npm asks for everything.
      env: { CI: '1', npm_config_cache: join(home, `cache-${++runs}`) },
      registry: registry.url.slice(0, -1),
    })
  for (const args of [['install'], ['ci']]) {
    const { exitCode, output } = await install(args, [])
    expect(output).not.toMatch(/npm error/)
    expect(exitCode).toBe(0)
  }
  const hex = ({ integrity }: typeof secret): string => digestToHex(parseDigest(integrity))
  const kept = await filesOf(store)
  expect(kept.some((path) => path.includes(hex(open)))).toBe(true)
  expect(kept.filter((path) => path.includes(hex(secret)) || path.includes(hex(large)))).toEqual([])
  expect(await namingCorp(kept)).toEqual([])
  // It would be seen if it were there.
  await install(['ci'], ['--keep-private'])
  const after = await filesOf(store)
  expect(after.filter((path) => path.includes(hex(secret)))).toHaveLength(1)
  expect(await namingCorp(after)).not.toEqual([])
})

async function filesOf(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  return found.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
}

async function namingCorp(paths: readonly string[]): Promise<string[]> {
  const traces: string[] = []
  for (const path of paths) {
    const raw = await readFile(path)
    const bytes = path.endsWith('.gz') ? gunzipSync(raw) : raw
    if (bytes.includes('@corp') || bytes.includes(secret.integrity)) traces.push(path)
  }
  return traces
}
