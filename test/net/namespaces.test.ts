/**
 * Three daemons on three machines of one network (Linux network namespaces on a bridge): they find each
 * other by mDNS alone; without it by one address and peer exchange; and the same where no UDP gets
 * through. Each time they really install: B from A, then C from B when A is gone.
 */
import { expect, test } from 'vitest'
import { createWorkspace } from '../support/client.ts'
import { eventually } from '../support/daemon.ts'
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
import { createLan, whyNoNamespaces, type Machine } from '../support/machines/namespaces.ts'

interface Scenario {
  readonly name: string
  readonly isUdpDropped: boolean
  /** What each daemon is told, given the address of the first one (undefined for itself). */
  argsFor(first: { ipv4: string; id: string } | undefined): readonly string[]
}

const scenarios: readonly Scenario[] = [
  {
    name: 'by mDNS alone',
    isUdpDropped: false,
    argsFor: () => ['--no-dht', '--no-peer-exchange'],
  },
  {
    name: 'by one address and peer exchange',
    isUdpDropped: false,
    argsFor: (first) => ['--no-mdns', '--no-dht', ...bootstrapOn(first, 'udp')],
  },
  {
    name: 'by one address and peer exchange where no UDP gets through',
    isUdpDropped: true,
    argsFor: (first) => ['--no-mdns', '--no-dht', ...bootstrapOn(first, 'tcp')],
  },
]

describeMachines('three machines find each other and install', await whyNoNamespaces(), () => {
  for (const scenario of scenarios) {
    const tags = scenario.name === 'by mDNS alone' ? [] : ['long']
    test(scenario.name, { timeout: 240_000, tags }, () => meetAndInstall(scenario))
  }
})

function bootstrapOn(
  first: { ipv4: string; id: string } | undefined,
  transport: 'udp' | 'tcp',
): string[] {
  if (first === undefined) return []
  const port = transport === 'udp' ? `udp/${PEER_PORT}/quic-v1` : `tcp/${PEER_PORT}`
  return ['--bootstrap', `/ip4/${first.ipv4}/${port}/p2p/${first.id}`]
}

async function meetAndInstall(scenario: Scenario): Promise<void> {
  await using lan = await createLan(['a', 'b', 'c'])
  await using workspace = await createWorkspace()
  const [a, b, c] = lan.machines as [Machine, Machine, Machine]
  if (scenario.isUdpDropped) for (const machine of lan.machines) await machine.dropUdp()

  const argsOf: Scenario['argsFor'] = (first) => ['--no-upnp', ...scenario.argsFor(first)]
  await using registry = await startRegistryOn(a)
  await using daemonA = await startOn(a, workspace, registry.url, argsOf(undefined))
  const first = { ipv4: a.ipv4, id: (await daemonA.status()).node.id }
  const lockfile = await installOn(a, workspace, daemonA)

  await using daemonB = await startOn(b, workspace, NO_UPSTREAM, argsOf(first))
  await using daemonC = await startOn(c, workspace, NO_UPSTREAM, argsOf(first))
  for (const daemon of [daemonA, daemonB, daemonC]) await expectPeers(daemon, 2)

  await expectArtifacts(daemonB)
  await installOn(b, workspace, daemonB, lockfile)
  await expectAllFromPeers(daemonB)

  await daemonA.stop()
  await eventually(async () => expect(await daemonC.peers()).toHaveLength(1), FIND_TIMEOUT_MS)
  await expectArtifacts(daemonC)
  await installOn(c, workspace, daemonC, lockfile)
  await expectAllFromPeers(daemonC)

  const transports = (await daemonC.peers()).map((each) => each.transport)
  expect(transports).toEqual([scenario.isUdpDropped ? 'tcp' : 'quic'])
}
