/**
 * What lies in a store's folder is its user's alone, whatever the folder lets others do: volumes and folders made by hand
 * are often open to all, and names of private packages are in the databases.
 */
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makePackage } from '../support/fixture-packages.ts'
import { quietNode, startMachine } from '../support/machines/machine.ts'
import { startRegistry } from '../support/registries/registry.ts'

const WINDOWS = 'Windows has no modes: what is in a user’s folder is that user’s'
const isWindows = process.platform === 'win32'

let folder: string
let umask: number

beforeEach(async () => {
  umask = process.umask(0)
  folder = await mkdtemp(join(tmpdir(), 'catalog-modes-'))
  await chmod(folder, 0o755)
})

afterEach(async () => {
  process.umask(umask)
  await rm(folder, { recursive: true, force: true })
})

test('files in a folder that is open to all are not', async ({ skip }) => {
  if (isWindows) return skip(WINDOWS)
  await useStore()
  expect(await openToOthers(folder)).toEqual([])
})

test('nor are those that an older version has left open', async ({ skip }) => {
  if (isWindows) return skip(WINDOWS)
  await useStore()
  const databases = (await filesIn(folder)).filter((file) => /\.(sqlite|db)$/.test(file))
  expect(databases.length).toBeGreaterThanOrEqual(3)
  for (const file of databases) {
    await chmod(file, 0o644)
    // As a kill leaves it.
    await writeFile(`${file}-wal`, '', { mode: 0o644 })
  }
  await useStore()
  expect(await openToOthers(folder)).toEqual([])
})

/** A node and a gateway on the folder, an artifact and its metadata through both; looked at while they run. */
async function useStore(): Promise<void> {
  const fixture = makePackage('@corp/secret', '1.0.0')
  await using registry = await startRegistry({ packages: [fixture], tarballs: 'self' })
  const node = await quietNode({ store: { path: folder } })
  const cachePath = join(folder, 'metadata')
  try {
    await using machine = await startMachine({ upstream: registry.url, node, cachePath })
    for (const path of ['/@corp%2fsecret', '/@corp/secret/-/secret-1.0.0.tgz']) {
      const response = await fetch(machine.url + path)
      expect(response.status).toBe(200)
      await response.arrayBuffer()
    }
    expect(await openToOthers(folder)).toEqual([])
  } finally {
    await node.close()
  }
}

async function filesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name))
}

async function openToOthers(path: string): Promise<string[]> {
  const files = await filesIn(path)
  expect(files.length).toBeGreaterThan(0)
  const open = await Promise.all(
    files.map(async (file) => {
      // Files being written are renamed away.
      const found = await stat(file).catch(() => undefined)
      const mode = (found?.mode ?? 0) & 0o777
      return (mode & 0o077) === 0 ? [] : [`${file.slice(path.length)} ${mode.toString(8)}`]
    }),
  )
  return open.flat()
}
