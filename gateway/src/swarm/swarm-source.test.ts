/** The swarm of a daemon that runs: what its file says, as long as it is the same swarm. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSwarmKey, type SwarmFile } from '@catalog-p2p/core'
import { expect, onTestFinished, test } from 'vitest'
import { silentLogger } from '../../../core/src/log.ts'
import { openSwarm } from './swarm-source.ts'
import { writeSwarmFile } from './swarm-text.ts'

test('a running daemon takes another key of its swarm, and is no member by the file of another one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-swarm-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'swarm.txt')
  const [first, second, other] = [createSwarmKey(), createSwarmKey(), createSwarmKey()]
  const write = (...keys: SwarmFile['keys']): Promise<void> =>
    writeSwarmFile(path, { name: 'x', keys, shareScopes: [], bootstrap: [] })
  await write({ key: first })
  const source = openSwarm({ kind: 'file', path }, { log: silentLogger, revokedBy: () => [] })
  const keys = (): string[] =>
    source.state().keys.map(({ key }) => Buffer.from(key).toString('hex'))
  const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex')
  expect(keys()).toEqual([hex(first)])
  await write({ key: other })
  expect(keys()).toEqual([])
  await write({ key: second }, { key: first, untilMs: 1 })
  expect(keys()).toEqual([hex(second), hex(first)])
  await write({ key: second })
  expect(keys()).toEqual([hex(second)])
})
