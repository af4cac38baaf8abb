/**
 * A small internet made of Linux network namespaces: a bridge that is the world, machines with public addresses on it, and
 * homes, each a router that does NAT (nftables) with one machine behind it. Needs root and nft; whoever can't have them gets
 * a reason to skip by. Everything goes away with `Internet`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  createNamespaces,
  findProgram,
  ip,
  within,
  type Namespaces,
  type Place,
} from './namespace-tools.ts'

/**
 * What a router does with UDP (RFC 4787; the older names): a port of its own for each destination (symmetric), or the same
 * for all of them, where only who was written to may answer (restricted), or anybody may (full cone). TCP is restricted.
 */
export type Nat = 'full cone' | 'restricted' | 'symmetric'

export interface InternetMachine extends Place {
  readonly name: string
  readonly ipv4: string
  /** One more on its only cable, as in an office network behind it. */
  addAddress(cidr: string): Promise<void>
}

export interface Internet extends AsyncDisposable {
  /** At public addresses, in the order of their names. */
  readonly servers: readonly InternetMachine[]
  /** Behind routers, in the order of the homes. */
  readonly clients: readonly InternetMachine[]
}

/**
 * Public for everybody, which addresses for documentation are not: libp2p takes those for private. Each machine on the world's
 * bridge is in a subnet of its own, so none is a neighbour of another.
 */
const worldAddress = (number: number): string => `5.5.${number}.1`
const FIRST_HOME = 100

export async function whyNoInternet(): Promise<string | undefined> {
  if (process.platform !== 'linux')
    return `network namespaces are Linux's, this is ${process.platform}`
  try {
    await using probe = await createInternet(['probe'], ['full cone'])
    void probe
    return undefined
  } catch (error) {
    return `routers can't be had here: ${error instanceof Error ? error.message : String(error)}`
  }
}

export async function createInternet(
  servers: readonly string[],
  homes: readonly Nat[] = [],
): Promise<Internet> {
  const namespaces = await createNamespaces()
  try {
    const world = await namespaces.add('world')
    await ip('-n', world, 'link', 'add', 'bridge0', 'type', 'bridge')
    await ip('-n', world, 'link', 'set', 'bridge0', 'up')
    const made: Internet = {
      servers: await inOrder(servers, (name, index) =>
        addServer(namespaces, { world, name, number: index + 1 }),
      ),
      clients: await inOrder(homes, (nat, index) =>
        addHome(namespaces, { world, nat, number: index + 1 }),
      ),
      [Symbol.asyncDispose]: () => namespaces.remove(),
    }
    return made
  } catch (error) {
    await namespaces.remove()
    throw error
  }
}

async function addServer(
  namespaces: Namespaces,
  { world, name, number }: { world: string; name: string; number: number },
): Promise<InternetMachine> {
  const namespace = await namespaces.add(name)
  const ipv4 = worldAddress(number)
  await plugIn({ world, namespace, device: 'eth0', port: `server${number}` })
  await configure(namespace, 'eth0', `${ipv4}/24`)
  await ip('-n', namespace, 'route', 'add', 'default', 'dev', 'eth0')
  return toMachine(name, namespace, ipv4)
}

async function addHome(
  namespaces: Namespaces,
  { world, nat, number }: { world: string; nat: Nat; number: number },
): Promise<InternetMachine> {
  const router = await namespaces.add(`router${number}`)
  const client = await namespaces.add(`client${number}`)
  const inside = `192.168.${number}.`
  await plugIn({ world, namespace: router, device: 'wan', port: `home${number}` })
  await configure(router, 'wan', `${worldAddress(FIRST_HOME + number)}/24`)
  await ip('-n', router, 'route', 'add', 'default', 'dev', 'wan')
  await ip(
    ...['-n', router, 'link', 'add', 'lan', 'type', 'veth'],
    ...['peer', 'name', 'eth0', 'netns', client],
  )
  await configure(router, 'lan', `${inside}1/24`)
  await configure(client, 'eth0', `${inside}2/24`)
  await ip('-n', client, 'route', 'add', 'default', 'via', `${inside}1`)
  const { prefix, run } = within(router)
  await run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
  await nft(prefix, rulesOf(nat))
  return toMachine(`client${number}`, client, `${inside}2`)
}

/** A cable to the world. */
async function plugIn(at: {
  readonly world: string
  readonly namespace: string
  readonly device: string
  readonly port: string
}): Promise<void> {
  await ip(
    ...['-n', at.world, 'link', 'add', at.port, 'type', 'veth'],
    ...['peer', 'name', at.device, 'netns', at.namespace],
  )
  await ip('-n', at.world, 'link', 'set', at.port, 'master', 'bridge0', 'up')
}

async function configure(namespace: string, device: string, cidr: string): Promise<void> {
  await ip('-n', namespace, 'addr', 'add', cidr, 'dev', device)
  await ip('-n', namespace, 'link', 'set', device, 'up')
}

function toMachine(name: string, namespace: string, ipv4: string): InternetMachine {
  return {
    ...{ name, ipv4 },
    ...within(namespace),
    addAddress: (cidr) => configure(namespace, 'eth0', cidr),
  }
}

/** Linux's own NAT keeps the source port if it is free, so it is restricted; the others are made from it. */
function rulesOf(nat: Nat): string {
  const mapping = nat === 'full cone' ? 'udp sport : ip saddr' : undefined
  const note = mapping && `oifname "wan" meta l4proto udp update @open { ${mapping} }`
  const back = mapping && `iifname "wan" meta l4proto udp dnat to udp dport map @open`
  return `
    table ip nat {
      map open {
        type inet_service : ipv4_addr
        flags dynamic,timeout
        timeout 5m
      }
      chain out {
        type nat hook postrouting priority 100
        ${note ?? ''}
        oifname "wan" masquerade ${nat === 'symmetric' ? 'fully-random' : ''}
      }
      chain in {
        type nat hook prerouting priority -100
        ${back ?? ''}
      }
    }
    table ip firewall {
      chain forward {
        type filter hook forward priority 0
        policy drop
        ct state established,related accept
        iifname "lan" accept
        ct status dnat accept
      }
    }
  `
}

async function nft(prefix: readonly string[], rules: string): Promise<void> {
  const [command = '', ...args] = [...prefix, findProgram('nft'), '-f', '-']
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] })
  let words = ''
  child.stderr.on('data', (text: Buffer) => (words += text.toString()))
  child.stdin.on('error', () => undefined) // it has ended already, and has said why
  child.stdin.end(rules)
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`nft: ${words.trim() || `exit code ${String(code)}`}`)
}

async function inOrder<Item, Result>(
  items: readonly Item[],
  make: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const made: Result[] = []
  for (const [index, item] of items.entries()) made.push(await make(item, index))
  return made
}
