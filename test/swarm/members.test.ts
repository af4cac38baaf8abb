/** Members of a private swarm over real connections on loopback: by a relay, while keys and certificates change, and how one joins. */
import { readdirSync, readFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { CatalogNode } from '../../core/src/api.ts'
import { issueCertificate } from '../../core/src/certificates/certificate.ts'
import type { Host } from '../../core/src/host/host.ts'
import { createLibp2pHost } from '../../core/src/host/libp2p/libp2p-host.ts'
import { joinSwarm } from '../../core/src/join-swarm.ts'
import { silentLogger } from '../../core/src/log.ts'
import { createNode } from '../../core/src/node.ts'
import { parseNodeOptions, type NodeOptions } from '../../core/src/options.ts'
import { generateKey } from '../../core/src/signing/hybrid-key.ts'
import { keyIdOf } from '../../core/src/signing/key-id.ts'
import { EXPULSION_EVERY_MS } from '../../core/src/swarm/expulsion.ts'
import { createInviteSecret } from '../../core/src/swarm/invite.ts'
import { createSwarmKey } from '../../core/src/swarm/swarm-key.ts'
import { createSwarm, swarmNamesOf, type SwarmState } from '../../core/src/swarm/swarm.ts'
import { inviteIdOf } from '../../core/src/swarm/joining.ts'
import { systemClock, type Clock } from '../../core/src/timing/clock.ts'
import { isCode } from '../contract/host-pairs.ts'
import { createWorkspace } from '../support/client.ts'
import { QUIC_LOOPBACK } from '../support/hostile-peer.ts'
import { until } from '../support/until.ts'

const deadline = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(15_000) })
const refused = expect.toSatisfy(isCode('PEER_REFUSED'))
/** Looks at its members more often than it would. */
const busy: Clock = {
  ...systemClock,
  after: (ms, action) => systemClock.after(ms === EXPULSION_EVERY_MS ? 50 : ms, action),
}

async function startNode(
  swarm: NonNullable<Parameters<typeof createNode>[1]>['swarm'],
): Promise<CatalogNode> {
  const node = await createNode({ network: QUIC_LOOPBACK }, { clock: busy, swarm })
  onTestFinished(() => node.close())
  return node
}

function addressOf(addresses: readonly string[], part = ''): string {
  const found = addresses.find((address) => address.includes(part))
  if (found === undefined) throw new Error(`no address with "${part}"`)
  return found
}

test('members meet through a member that relays; an outsider gets no place at it', async () => {
  const key = createSwarmKey()
  const start = async (network: NodeOptions['network'], secret = key): Promise<Host> => {
    const options = parseNodeOptions({ network: { port: 0, loopbackOnly: true, ...network } })
    const state: SwarmState = { name: 'x', keys: [{ key: secret }] }
    const membership = createSwarm({ clock: systemClock, state: () => state })
    const deps = { log: silentLogger, clock: systemClock, random: Math.random, membership }
    const host = createLibp2pHost(deps, { network: options.network, path: undefined })
    await host.start()
    onTestFinished(() => host.stop())
    return host
  }
  const relay = await start({ relayServer: true, relayClient: false })
  const bootstrap = [addressOf(relay.addresses())]
  const [b, outsider] = [await start({ bootstrap }), await start({ bootstrap }, createSwarmKey())]
  await until(() => b.addresses().some((address) => address.includes('p2p-circuit')))
  const relayed = addressOf(b.addresses(), 'p2p-circuit')
  const a = await start({})
  await a.connect(relayed, deadline())
  expect(a.peers().find(({ peer }) => peer === b.id)?.transport).toBe('relay')
  await expect(outsider.connect(relayed, deadline())).rejects.toThrow()
  expect(
    relay
      .peers()
      .map(({ peer }) => peer)
      .sort(),
  ).toEqual([a.id, b.id].sort())
  expect([outsider.peers(), outsider.network().relayed]).toEqual([[], []])
})

test('a key that ends ends connections, and those who have the next one come back', async () => {
  const [old, next] = [createSwarmKey(), createSwarmKey()]
  let [ofA, ofB]: SwarmState[] = [old, old].map((key) => ({ name: 'x', keys: [{ key }] }))
  const a = await startNode({ state: () => ofA ?? { name: 'x', keys: [] } })
  const b = await startNode({ state: () => ofB ?? { name: 'x', keys: [] } })
  const address = addressOf(a.stats().addresses)
  await b.connect(address)
  // As `catalog swarm rotate` leaves it.
  ofA = { name: 'x', keys: [{ key: next }, { key: old, untilMs: Date.now() + 400 }] }
  await until(() => a.peers().length === 0)
  await until(() => b.peers().length === 0)
  await expect(b.connect(address, deadline())).rejects.toEqual(refused)
  ofB = { name: 'x', keys: [{ key: next }] }
  await b.connect(address, deadline())
  expect(b.peers().map(({ peer }) => peer)).toEqual([a.id])
})

test('a machine that is revoked is disconnected, and not let in again', async () => {
  const root = generateKey()
  const key = createSwarmKey()
  const revoked = new Set<string>()
  const states = new Map<string, SwarmState>()
  const start = async (name: string): Promise<CatalogNode> => {
    const nobody: SwarmState = { name: 'x', keys: [] }
    const node = await startNode({ state: () => states.get(name) ?? nobody })
    const hourMs = 3_600_000
    const certificate = issueCertificate(
      {
        ...{ subject: { kind: 'machine', peer: node.id }, names: ['x'], note: name },
        notBeforeMs: Date.now() - hourMs,
        notAfterMs: Date.now() + hourMs,
      },
      root,
    )
    const id = keyIdOf(root.publicKey)
    states.set(name, { name: 'x', keys: [{ key }], root: id, certificate, revoked })
    return node
  }
  const [a, b] = [await start('a'), await start('b')]
  const address = addressOf(a.stats().addresses)
  await b.connect(address)
  await until(() => a.peers().length === 1)
  revoked.add(b.id)
  await until(() => a.peers().length === 0 && b.peers().length === 0)
  await b.connect(address, deadline()).catch(() => undefined) // it may see the connection for a moment
  await until(() => b.peers().length === 0)
  expect(a.peers()).toEqual([])
})

test('what a swarm has told is kept apart from that of others, and stays with it when its key changes', async () => {
  await using workspace = await createWorkspace()
  const path = await workspace.folder('store')
  const [key, next] = [createSwarmKey(), createSwarmKey()]
  const state: SwarmState = { name: 'x', keys: [{ key }] }
  const other = await startNode({ state: () => state })
  /** Starts a node on the store, and stops it; the folders in which it finds that peer. */
  const foldersWithPeer = async (swarm?: SwarmState): Promise<string[]> => {
    const options: NodeOptions = { network: QUIC_LOOPBACK, store: { path } }
    await using node = await createNode(options, swarm && { swarm: { state: () => swarm } })
    if (swarm === state) await node.connect(addressOf(other.stats().addresses))
    const files = readdirSync(path, { recursive: true, encoding: 'utf8' })
    return files.flatMap((file) =>
      basename(file) === 'peers.sqlite' && readFileSync(join(path, file)).includes(other.id)
        ? [basename(dirname(file))]
        : [],
    )
  }
  const [name = '', later = ''] = [key, next].flatMap((each) =>
    swarmNamesOf({ name: 'x', keys: [{ key: each }] }),
  )
  await foldersWithPeer(state)
  const known = await foldersWithPeer()
  expect(known).toEqual([name])
  expect(await foldersWithPeer({ name: 'x', keys: [{ key: createSwarmKey() }] })).toEqual([name])
  const rotated = { name: 'x', keys: [{ key: next }, { key, untilMs: 1 }] }
  expect(await foldersWithPeer(rotated)).toEqual([later])
  await rename(join(path, 'private-swarms', later), join(path, 'private-swarm'))
  // As earlier versions have left it, one for all swarms.
  expect(await foldersWithPeer(rotated)).toEqual([later])
})

test('an invite brings the swarm once, and no connection', async () => {
  const secret = createInviteSecret()
  let left = 1
  const inviter = await startNode({
    state: () => ({ name: 'x', keys: [{ key: createSwarmKey() }] }),
    findInvite: (id) =>
      id === inviteIdOf(secret)
        ? {
            secret,
            redeem: async () => {
              left -= 1
              if (left < 0) throw new Error('it was used before')
              return Buffer.from('the swarm')
            },
          }
        : undefined,
  })
  const addresses = inviter.stats().addresses.map((each) => each.replace(/\/p2p\/.*/, ''))
  const invite = { peer: inviter.id, addresses }
  const options = { log: silentLogger, ...deadline() }
  expect(Buffer.from(await joinSwarm({ ...invite, secret }, options)).toString()).toBe('the swarm')
  await expect(joinSwarm({ ...invite, secret }, options)).rejects.toThrow('it was used before')
  const other = { ...invite, secret: createInviteSecret() }
  await expect(joinSwarm(other, options)).rejects.toEqual(
    expect.toSatisfy(isCode('PEER_UNREACHABLE')),
  )
  expect(inviter.peers()).toEqual([])
})
