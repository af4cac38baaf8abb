/**
 * Four machines of one network (Linux network namespaces on a bridge), all with default settings: two are members of a private
 * swarm and find each other by multicast DNS; the other two are of the open network, find each other the same way, and get
 * nowhere with the members, whom they are told of. What all four say by multicast is looked at.
 */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createSwarmKey, swarmFileToText } from '@catalog-p2p/core'
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
} from '../support/machine-daemons.ts'
import { createLan, whyNoNamespaces, type Machine } from '../support/namespaces.ts'

/** Prints, for each packet, where it came from and what it holds. */
const LISTEN = `
const socket = require('node:dgram').createSocket({ type: 'udp4', reuseAddr: true })
socket.on('message', (bytes, { address }) => console.log(address, bytes.toString('latin1').replace(/\\W+/g, '')))
socket.bind(5353, () => socket.addMembership('224.0.0.251', process.argv[1]))
process.stdin.on('end', () => process.exit()).resume()
console.log('ready')`

interface Ear extends AsyncDisposable {
  /** All that a machine has said so far. */
  saidBy(machine: Machine): string
}

async function listenOn(machine: Machine): Promise<Ear> {
  const child = machine.spawn(process.execPath, ['-e', LISTEN, machine.ipv4], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  let heard = ''
  child.stdout?.on('data', (bytes: Buffer) => (heard += bytes.toString('latin1')))
  if (child.stdout !== null) await once(child.stdout, 'data')
  return {
    saidBy: ({ ipv4 }) =>
      heard
        .split('\n')
        .filter((line) => line.startsWith(`${ipv4} `))
        .join('\n'),
    async [Symbol.asyncDispose]() {
      child.stdin?.end()
      await ended
    },
  }
}

describeMachines('a private swarm among other machines', await whyNoNamespaces(), () => {
  test('finds its own, and shows nothing', { timeout: 240_000, tags: ['long'] }, async () => {
    await using lan = await createLan(['a', 'b', 'c', 'd'])
    await using workspace = await createWorkspace()
    const [a, b, c, d] = lan.machines as [Machine, Machine, Machine, Machine]
    await using ear = await listenOn(d)
    const file = join(await workspace.folder('swarm'), 'swarm.txt')
    const keys = [{ key: createSwarmKey() }]
    const text = swarmFileToText({ name: 'x', keys, shareScopes: [], bootstrap: [] })
    await writeFile(file, text, { mode: 0o600 })
    const member = ['--no-upnp', '--swarm', file]
    await using registry = await startRegistryOn(a)
    await using daemonA = await startOn(a, workspace, registry.url, member)
    const lockfile = await installOn(a, workspace, daemonA)
    const { id } = (await daemonA.status()).node
    const bootstrap = `/ip4/${a.ipv4}/udp/${PEER_PORT}/quic-v1/p2p/${id}`
    const open = ['--no-upnp', '--bootstrap', bootstrap]
    await using daemonC = await startOn(c, workspace, NO_UPSTREAM, open)
    await using daemonD = await startOn(d, workspace, NO_UPSTREAM, open)
    await using daemonB = await startOn(b, workspace, NO_UPSTREAM, member)

    for (const daemon of [daemonB, daemonC, daemonD]) await expectPeers(daemon, 1)
    const idB = (await daemonB.status()).node.id
    expect((await daemonA.peers()).map(({ peer }) => peer)).toEqual([idB])
    await expectArtifacts(daemonB)
    await installOn(b, workspace, daemonB, lockfile)
    await expectAllFromPeers(daemonB)

    const tried = /swarm\.outsider-refused/
    await eventually(async () => expect(daemonA.output()).toMatch(tried), FIND_TIMEOUT_MS)
    const idD = (await daemonD.status()).node.id
    expect((await daemonC.peers()).map(({ peer }) => peer)).toEqual([idD])
    for (const [machine, daemon] of [
      [c, daemonC],
      [d, daemonD],
    ] as const) {
      const own = (await daemon.status()).node.id
      await eventually(async () => expect(ear.saidBy(machine)).toContain(own), FIND_TIMEOUT_MS)
    }
    for (const machine of [a, b]) {
      const said = ear.saidBy(machine)
      expect(said).toContain('sealed')
      for (const secret of [id, idB, '12D3Koo', 'dnsaddr']) expect(said).not.toContain(secret)
    }
  })
})
