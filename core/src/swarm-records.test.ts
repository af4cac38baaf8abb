import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { recordOf, verifyByKeyId } from '../../test/support/records.ts'
import { until } from '../../test/support/until.ts'
import { createMemoryNetwork } from './host/memory-host.ts'
import { createNode } from './node.ts'
import { createSwarmKey } from './swarm/swarm-key.ts'
import type { SwarmState } from './swarm/swarm.ts'

test('the same bytes under another name: members of a swarm are not told what another one calls them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-swarm-records-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const network = createMemoryNetwork({})
  const stateOf = (name: string): SwarmState => ({ name, keys: [{ key: createSwarmKey() }] })
  const [a, b] = [stateOf('a'), stateOf('b')]
  let runs = 0

  /** What a peer hears from this machine there: how many artifacts, and how many names. */
  async function heardIn(
    swarm: SwarmState | undefined,
    name?: string,
  ): Promise<{ artifacts: number; names: number; knows: boolean }> {
    runs += 1
    const options = { network: { dht: false, peerExchange: false } }
    const peer = await createNode(options, { host: network.createHost(`peer-${runs}`) })
    const node = await createNode(
      { ...options, store: { path: folder } },
      {
        host: network.createHost(`machine-${runs}`),
        verifyEvidence: verifyByKeyId,
        ...(swarm && { swarm: { state: () => swarm } }),
      },
    )
    try {
      const digest = await node.put(Buffer.from('the same bytes'))
      if (name !== undefined) await node.addRecord(recordOf(digest, { name }))
      await peer.connect(`/memory/machine-${runs}`)
      await until(() => (peer.peers()[0]?.artifacts ?? 0) > 0)
      const { artifacts = NaN, names = NaN } = peer.peers()[0] ?? {}
      const version = { ...recordOf(digest, { name: 'of-a' }) }
      return { artifacts, names, knows: node.findRecord(version) !== undefined }
    } finally {
      await node.close()
      await peer.close()
    }
  }

  expect(await heardIn(a, 'of-a')).toEqual({ artifacts: 1, names: 1, knows: true })
  expect(await heardIn(b, 'of-b')).toEqual({ artifacts: 1, names: 1, knows: false })
  expect(await heardIn(undefined)).toEqual({ artifacts: 1, names: 0, knows: false })
  expect(await heardIn(a)).toEqual({ artifacts: 1, names: 1, knows: true })
})
