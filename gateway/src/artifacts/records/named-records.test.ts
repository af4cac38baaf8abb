import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../../test/support/gateway-world.ts'
import { importableSigner, writeKeyring } from '../../../../test/support/signed-swarm.ts'

const one = makePackage('fx-one', '1.0.0')
const two = makePackage('fx-two', '1.0.0')

let world: GatewayWorld
beforeEach(async () => {
  world = await gatewayWorld({ packages: [one, two] })
})
afterEach(() => world[Symbol.asyncDispose]())

test('a record that was not kept, its key being unknown, is offered again until it is', async () => {
  const { dist = {} } = world.upstream.document('fx-one').versions['1.0.0'] ?? {}
  dist['signatures'] = [{ keyid: 'k', sig: 'AAAA' }]
  await world.get('/fx-one')
  const adding = vi.spyOn(world.node, 'addRecord').mockResolvedValueOnce('unknown')
  adding.mockResolvedValue('valid')
  for (const times of [1, 2, 2]) {
    await world.get('/fx-one/-/fx-one-1.0.0.tgz')
    await vi.waitFor(() => expect(adding).toHaveBeenCalledTimes(times))
  }
})

test('the registry is asked once for a record that it does not have, however often npm comes', async () => {
  const keyringPath = join(world.cachePath, 'keyring.json')
  await writeKeyring(keyringPath, world.upstream.url, importableSigner().key)
  await world.restart({ keyringPath })
  // One that lists nothing: while there is none at all it waits for half a minute.
  const peer = { peer: 'a', address: '', direction: 'inbound', transport: 'quic' } as const
  const none = { artifacts: 0, names: 0, carriers: 0, receivedBytes: 0, sentBytes: 0, strikes: 0 }
  const group = 'a'
  vi.spyOn(world.node, 'peers').mockReturnValue([
    { ...peer, ...none, group, connectedAtMs: 0, rttMs: undefined },
  ])
  const ask = ({ name, integrity }: typeof one) =>
    world.get(`/${name}/-/${name}-1.0.0.tgz`, { 'pacote-integrity': integrity })
  const askedFor = async ({ name }: typeof one): Promise<void> =>
    vi.waitFor(() => expect(world.upstream.count(RegExp(`/${name}/1.0.0$`))).toBe(1), 10_000)
  await ask(one)
  await askedFor(one)
  await ask(one)
  await ask(two)
  await askedFor(two)
  await askedFor(one)
})
