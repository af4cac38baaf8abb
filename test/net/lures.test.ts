/**
 * Nobody makes a node dial into a network that they are not in: a peer on the internet tells a node, by every way that there is,
 * that peers are at services of the node's own machine and of an office network that the node is on. None of them is visited.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/daemon.ts'
import { createInternet, whyNoInternet, type Internet } from '../support/machines/internet.ts'
import { startProgram, type Program } from '../support/json-lines.ts'
import { repositoryRoot } from '../support/source-tree.ts'

const reason = await whyNoInternet()
if (reason !== undefined) console.warn(`skipped: ${reason}`)

const OFFICE = '10.99.0.'
const RELAY = '12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6'
const SERVICES = ['127.0.0.1 6379', `${OFFICE}1 8080`]
const LURES = [
  '/ip4/127.0.0.1/tcp/6379',
  `/ip4/${OFFICE}1/tcp/8080`,
  '/ip4/0.0.0.0/tcp/6379',
  '/ip6/::ffff:7f00:1/tcp/6379',
  '/ip6/::ffff:a63:1/tcp/8080',
  '/dns4/localhost/tcp/6379',
  `/ip4/${OFFICE}1/tcp/8080/p2p/${RELAY}/p2p-circuit`,
]
const script = (name: string): string => join(repositoryRoot, 'test', 'support', name)

describe.skipIf(reason !== undefined)('a node that is lured dials nothing', () => {
  let internet: Internet
  let node: Program
  let peer: Program
  let address: string

  beforeAll(async () => {
    internet = await createInternet(['node', 'peer'])
    const [here, there] = internet.servers
    if (here === undefined || there === undefined) throw new Error('two were asked for')
    await here.addAddress(`${OFFICE}1/24`)
    const network = { family: 'ipv4', bootstrapServer: true }
    const options = JSON.stringify({ network, services: SERVICES })
    node = startProgram(here, script('lured-node.ts'), options)
    const own = `/ip4/${there.ipv4}/tcp/4001`
    peer = startProgram(there, script('luring-peer.ts'), own, LURES.join(' '))
    address = await peer.tell<string>('address')
    expect(await node.tell('connect', address)).toBe(idOf(address))
  }, 60_000)

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]()
    await peer?.[Symbol.asyncDispose]()
    await internet?.[Symbol.asyncDispose]()
  })

  const visited = (): Promise<string[]> => node.tell('visited')

  test('by what a DHT server answers', async () => {
    await peer.tell('provide', 'b')
    expect(await node.tell('get', 'b')).toMatchObject({ error: expect.any(String) })
    expect(await visited()).toEqual([])
  })

  test('by multicast DNS from beyond the link; a neighbour is believed', async () => {
    const [here, there] = internet.servers
    await peer.tell('lan', here?.ipv4)
    await there?.addAddress(`${OFFICE}9/24`)
    // What arrives later is read later.
    expect(await peer.tell('neighbour', `${OFFICE}9 ${OFFICE}1`)).toBe(true)
    expect(await visited()).toEqual([])
  })

  test('by what a peer says of itself and has left as a provider record, when it has gone', async () => {
    const id = idOf(address)
    await eventually(async () => expect(await peer.tell('record', 'a')).toBeGreaterThan(0), 20_000)
    await peer.tell('hide')
    await eventually(async () => expect(await node.tell('peers')).not.toContain(id), 20_000)
    expect(await node.tell('connect', id)).toMatchObject({ error: expect.any(String) })
    expect(await node.tell('get', 'a')).toMatchObject({ error: expect.any(String) })
    expect(await visited()).toEqual([])
  })
})

const idOf = (address: string): string => address.split('/').at(-1) ?? ''
