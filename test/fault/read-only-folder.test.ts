/** A store that may only be read, such as one baked into an image: everything in front of it works all the same. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createNode } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isolatedEnvironment } from '../support/client.ts'
import {
  heedingModes,
  makeReadOnly,
  makeWritable,
  whyModesAreIgnored,
} from '../support/file-modes.ts'

const CHILD = fileURLToPath(new URL('read-only-folder.ts', import.meta.url))
const FLAGS = ['--conditions=@catalog-p2p/source', '--disable-warning=ExperimentalWarning']
const reason = whyModesAreIgnored()
if (reason !== undefined) console.log(`skipped: a folder is made read-only by its mode: ${reason}`)

let path = ''
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'catalog-read-only-'))
})
afterEach(async () => {
  await makeWritable(path)
  await rm(path, { recursive: true, force: true })
})

test.skipIf(reason !== undefined).each(['with', 'without'])(
  'a daemon serves what is in it, %s the identity that filled it',
  async (identity) => {
    const network = { loopbackOnly: true, port: 0, quic: false } as const
    const node = await createNode({ store: { path }, network })
    const digest = await node.put(Buffer.from('some artifact'))
    await node.close()
    if (identity === 'without') await rm(join(path, 'identity.key'))
    await makeReadOnly(path)
    const [command, ...args] = heedingModes([process.execPath, ...FLAGS, CHILD, path, digest])
    // The folder of its user's settings is one of those that may only be read.
    const { stdout } = await promisify(execFile)(command, args, { env: isolatedEnvironment(path) })
    const said = JSON.parse(stdout) as { warnings: string[] }
    expect(said).toMatchObject({ health: 200, size: 13 })
    expect(said.warnings.includes('identity.not-kept')).toBe(identity === 'without')
    expect(said.warnings).toContain('publish-token.unavailable')
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
