/**
 * Two machines behind different routers and a public one between them, as docs/operating.md tells people to set it up and
 * otherwise with defaults: they find each other through its relay and install from each other, and connections last.
 * (Routers are Linux network namespaces with nftables.)
 */
import { expect, test } from 'vitest'
import { createWorkspace } from '../support/client.ts'
import { eventually } from '../support/daemon.ts'
import {
  createInternet,
  whyNoInternet,
  type InternetMachine,
  type Nat,
} from '../support/machines/internet.ts'
import {
  describeMachines,
  expectAllFromPeers,
  expectArtifacts,
  expectPeers,
  FIND_TIMEOUT_MS,
  installOn,
  NO_UPSTREAM,
  PEER_PORT,
  startOn,
  startRegistryOn,
} from '../support/machines/machine-daemons.ts'

const KINDS: readonly Nat[] = ['full cone', 'restricted', 'symmetric']

describeMachines('through a public node', await whyNoInternet(), () => {
  for (const nat of KINDS) {
    const tags = nat === 'symmetric' ? [] : ['long'] // what works there works behind the others
    const name = `machines behind NAT install: ${nat}`
    test(name, { timeout: 240_000, tags }, () => installBehind(nat))
  }

  test(
    'a machine that can be reached is dialled by the one that it found through the relay',
    {
      timeout: 180_000,
    },
    async () => {
      await using internet = await createInternet(['public', 'other'], ['restricted'])
      await using workspace = await createWorkspace()
      const [server, other] = internet.servers as [InternetMachine, InternetMachine]
      const [client] = internet.clients as [InternetMachine]
      const serving = ['--relay', '--bootstrap-server']
      await using publicNode = await startOn(server, workspace, NO_UPSTREAM, serving)
      const relay = `/ip4/${server.ipv4}/udp/${PEER_PORT}/quic-v1/p2p/${(await publicNode.status()).node.id}`
      const alone = ['--no-peer-exchange', '--no-dht', '--bootstrap']
      await using daemon = await startOn(client, workspace, NO_UPSTREAM, [...alone, relay])
      const { id } = (await daemon.status()).node
      await eventually(async () => {
        expect((await daemon.status()).node.addresses.join()).toContain('/p2p-circuit')
      }, FIND_TIMEOUT_MS)
      const relayed = `${relay}/p2p-circuit/p2p/${id}`
      await using comer = await startOn(other, workspace, NO_UPSTREAM, [...alone, relayed])
      const comerId = (await comer.status()).node.id
      await eventually(async () => {
        const found = (await daemon.peers()).find(({ peer }) => peer === comerId)
        expect(found?.transport).toBe('quic')
      }, FIND_TIMEOUT_MS)
    },
  )
})

async function installBehind(nat: Nat): Promise<void> {
  await using internet = await createInternet(['public'], [nat, nat])
  await using workspace = await createWorkspace()
  const [server] = internet.servers as [InternetMachine]
  const [a, b] = internet.clients as [InternetMachine, InternetMachine]

  await using registry = await startRegistryOn(a)
  const serving = ['--relay', '--bootstrap-server']
  await using publicNode = await startOn(server, workspace, NO_UPSTREAM, serving)
  const { id } = (await publicNode.status()).node
  const joining = ['--bootstrap', `/ip4/${server.ipv4}/udp/${PEER_PORT}/quic-v1/p2p/${id}`]
  await using daemonA = await startOn(a, workspace, registry.url, joining)
  await using daemonB = await startOn(b, workspace, NO_UPSTREAM, joining)
  for (const daemon of [publicNode, daemonA, daemonB]) await expectPeers(daemon, 2)
  const before = await daemonB.peers()
  expect(before.map(({ transport }) => transport).sort()).toEqual(['quic', 'relay'])

  const lockfile = await installOn(a, workspace, daemonA)
  await expectArtifacts(daemonB)
  await installOn(b, workspace, daemonB, lockfile)
  await expectAllFromPeers(daemonB)

  // Still the same connections, not others in their place.
  const since = (peers: typeof before): unknown[] =>
    peers.map(({ peer, connectedAtMs }) => ({ peer, connectedAtMs }))
  expect(since(await daemonB.peers())).toEqual(since(before))
}
