/** What peers need not send again, with real QUIC and no registry in reach: the document that the one who asks has of them already. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageKeyOf } from '@catalog-p2p/core'
import { expect, test, vi } from 'vitest'
import { PACKUMENTS } from '../../gateway/src/packuments/peers/packument-protocol.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { meet, type Machine } from '../support/machines/machine.ts'
import { signedSwarm } from '../support/signed-swarm.ts'

const NAME = 'fx-unchanged'
const old = Array.from({ length: 40 }, (_, index) => makePackage(NAME, `1.0.${index}`))
const next = makePackage(NAME, '2.0.0')
/** Of a time: the answer without a document. */
const UNCHANGED_BYTES = 8

async function versionsOf({ url }: Machine, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/${NAME}`, { headers })
  const { versions } = (await response.json()) as { versions: Record<string, unknown> }
  return {
    count: Object.keys(versions).length,
    source: response.headers.get('x-catalog-metadata'),
  }
}

test('a document that has not changed is confirmed in eight bytes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-unchanged-'))
  await using swarm = await signedSwarm(folder, old)
  const received = vi.spyOn(PACKUMENTS.response, 'decode')
  const lastBytes = () => received.mock.lastCall?.[0].byteLength
  try {
    const cachePath = join(folder, 'metadata')
    const options = { cachePath, peersOnly: true, gateway: { maxAgeMs: 0 } }
    const first = await swarm.machine()
    await versionsOf(first)
    await swarm.registry.stop()
    const key = packageKeyOf({ registry: `${swarm.registry.url}/`, name: NAME })
    const beside = async (): Promise<Machine> => {
      const machine = await swarm.machine(options)
      await meet(machine.node, first.node, 0)
      await vi.waitFor(() => expect(machine.node.questions.holders(key)).toHaveLength(1), 10_000)
      return machine
    }
    const second = await beside()
    expect(await versionsOf(second)).toMatchObject({ count: 40, source: 'peer' })
    const whole = lastBytes()
    expect(whole).toBeGreaterThan(5_000)
    expect(await versionsOf(second)).toMatchObject({ count: 40, source: 'peer' })
    expect([received.mock.calls.length, lastBytes()]).toEqual([2, UNCHANGED_BYTES])
    // It is kept with what was made of it.
    await second[Symbol.asyncDispose]()
    const again = await beside()
    expect(await versionsOf(again)).toMatchObject({ count: 40, source: 'peer' })
    expect([received.mock.calls.length, lastBytes()]).toEqual([3, UNCHANGED_BYTES])
    // What has changed is sent.
    swarm.registry.publish(next)
    await swarm.registry.restart()
    expect(await versionsOf(first, { 'cache-control': 'no-cache' })).toMatchObject({ count: 41 })
    await swarm.registry.stop()
    expect(await versionsOf(again)).toMatchObject({ count: 41, source: 'peer' })
    expect(lastBytes()).toBeGreaterThan(whole ?? 0)
  } finally {
    received.mockRestore()
    await rm(folder, { recursive: true, force: true })
  }
})
