/** A store that may only be read, such as one baked into an image: everything in front of it works all the same. */
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createNode } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test } from 'vitest'

const CHILD = fileURLToPath(new URL('read-only-folder.ts', import.meta.url))
const FLAGS = ['--conditions=@catalog-p2p/source', '--disable-warning=ExperimentalWarning']
const canRun = process.platform !== 'win32'
if (!canRun) console.log('skipped: a folder is made read-only by its mode, which Windows has not')

let path = ''
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'catalog-read-only-'))
})
afterEach(async () => {
  await chmod(path, 0o755)
  await rm(path, { recursive: true, force: true })
})

test.skipIf(!canRun).each(['with', 'without'])(
  'a daemon serves what is in it, %s the identity that filled it',
  async (identity) => {
    const network = { loopbackOnly: true, port: 0, quic: false } as const
    const node = await createNode({ store: { path }, network })
    const digest = await node.put(Buffer.from('some artifact'))
    await node.close()
    if (identity === 'without') await rm(join(path, 'identity.key'))
    await chmod(path, 0o755) // for another user to read
    for (const name of await readdir(path, { recursive: true })) {
      await chmod(join(path, name), 0o755)
    }
    const { stdout } = await promisify(execFile)(process.execPath, [...FLAGS, CHILD, path, digest])
    const said = JSON.parse(stdout) as { warnings: string[] }
    expect(said).toMatchObject({ health: 200, size: 13 })
    expect(said.warnings.includes('identity.not-kept')).toBe(identity === 'without')
    expect(new Set(said.warnings).size).toBe(said.warnings.length)
  },
)

// There Node's own way to make a folder spins for ever, and with it whoever waits.
const hasProc = process.platform === 'linux'
if (!hasProc) console.log('skipped: a folder in /proc, which only Linux has')

test.skipIf(!hasProc)('a folder that can not exist keeps nobody from starting', async () => {
  const network = { loopbackOnly: true, port: 0, quic: false } as const
  await using node = await createNode({ store: { path: '/proc/catalog/store' }, network })
  expect(node.stats().store.writable).toBe(false)
})
