/**
 * Machines on one office network, made of Linux network namespaces: each has its own loopback and one
 * cable to a bridge that lives in a namespace too, so the host's own network is never touched. A cable
 * is as fast as memory, or a line of so many bits a second each way. Needs root; whoever can't have it
 * gets a reason to skip by. Everything goes away with `Lan`.
 */
import { createNamespaces, ip, network, within, type Place } from './namespace-tools.ts'

export interface Machine extends Place {
  readonly name: string
  readonly ipv4: string
  readonly ipv6: string
  /** From now on no UDP packet gets in, as in networks that forbid it. Loopback is not concerned. */
  dropUdp(): Promise<void>
}

export interface Lan extends AsyncDisposable {
  readonly machines: readonly Machine[]
  /** Packets that found the queue of a limited line full, so far. */
  droppedPackets(): Promise<number>
}

/** What an Ethernet cable carries, each way. */
export interface Line {
  readonly bitsPerSecond: number
}

const IPV4_PREFIX = '10.77.7.'
const IPV6_PREFIX = 'fd77:7::'

/** A full frame as the kernel counts it, and with preamble, checksum and gap as the cable carries it. */
const FRAME_SHARE = 1514 / 1538
/** What waits in front of a full line at most: 2.5 MB at 1 Gbit/s, as a network card or a switch has. */
const QUEUE_MS = 20
/** What may leave at once. Less than a timer's lateness costs rate. */
const BURST_MS = 2
/** The kernel hands a card up to 64 KiB as one packet, plus a head for each frame of it. */
const MIN_BURST_BYTES = 80_000

/** Why namespaces (with such a line) can't be had here, or undefined when they can. */
export async function whyNoNamespaces(line?: Line): Promise<string | undefined> {
  if (process.platform !== 'linux')
    return `network namespaces are Linux's, this is ${process.platform}`
  try {
    const lan = await createLan(['probe'], line)
    await lan[Symbol.asyncDispose]()
    return undefined
  } catch (error) {
    return `network namespaces can't be had here: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** One bridge, one machine for each name; each cable is `line`, or has no limit, or is what `others` says of that name. */
export async function createLan(
  names: readonly string[],
  line?: Line,
  others: Readonly<Record<string, Line>> = {},
): Promise<Lan> {
  const namespaces = await createNamespaces()
  try {
    const hub = await namespaces.add('hub')
    await ip('-n', hub, 'link', 'add', 'bridge0', 'type', 'bridge')
    await ip('-n', hub, 'link', 'set', 'bridge0', 'up')
    const machines: Machine[] = []
    const shaped: Device[] = []
    for (const [index, name] of names.entries()) {
      const namespace = await namespaces.add(name)
      machines.push(await plugIn({ name, namespace, hub, number: index + 1 }))
      const own = others[name] ?? line
      if (own === undefined) continue
      const ends = [
        { namespace, device: 'eth0' },
        { namespace: hub, device: portOf(index + 1) },
      ]
      for (const end of ends) await limit(end, own)
      shaped.push(...ends)
    }
    const droppedPackets = async (): Promise<number> =>
      (await Promise.all(shaped.map(dropsAt))).reduce((sum, drops) => sum + drops, 0)
    return { machines, droppedPackets, [Symbol.asyncDispose]: () => namespaces.remove() }
  } catch (error) {
    await namespaces.remove()
    throw error
  }
}

interface Plug {
  readonly name: string
  readonly namespace: string
  readonly hub: string
  readonly number: number
}

function portOf(number: number): string {
  return `port${number}`
}

async function plugIn({ name, namespace, hub, number }: Plug): Promise<Machine> {
  const port = portOf(number)
  const ipv4 = `${IPV4_PREFIX}${number}`
  const ipv6 = `${IPV6_PREFIX}${number}`
  await ip(
    ...['-n', hub, 'link', 'add', port, 'type', 'veth'],
    ...['peer', 'name', 'eth0', 'netns', namespace],
  )
  await ip('-n', hub, 'link', 'set', port, 'master', 'bridge0', 'up')
  await ip('-n', namespace, 'addr', 'add', `${ipv4}/24`, 'dev', 'eth0')
  // nodad: the address is ours at once, no second of looking for another owner.
  await ip('-n', namespace, 'addr', 'add', `${ipv6}/64`, 'dev', 'eth0', 'nodad')
  await ip('-n', namespace, 'link', 'set', 'eth0', 'up')
  // Only what a machine with a default route could do anyway: send to groups.
  await ip('-n', namespace, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0')

  return { name, ipv4, ipv6, ...within(namespace), dropUdp: () => dropUdp(namespace) }
}

/**
 * By policy routing, for both families: needs neither iptables nor a kernel module. The rule for our
 * own addresses stands first by default and would accept everything, so it moves behind.
 */
async function dropUdp(namespace: string): Promise<void> {
  for (const family of ['-4', '-6']) {
    const rule = (...args: string[]): Promise<void> => ip('-n', namespace, family, 'rule', ...args)
    await rule('add', 'pref', '10', 'iif', 'eth0', 'ipproto', 'udp', 'blackhole')
    await rule('add', 'pref', '20', 'lookup', 'local')
    await rule('del', 'pref', '0')
  }
}

interface Device {
  readonly namespace: string
  readonly device: string
}

/** What leaves here: at a machine its card, at the hub the switch's port towards it. */
async function limit({ namespace, device }: Device, { bitsPerSecond }: Line): Promise<void> {
  const bytesPerMs = (bitsPerSecond * FRAME_SHARE) / 8 / 1000
  const burst = Math.round(Math.max(MIN_BURST_BYTES, BURST_MS * bytesPerMs))
  const queue = Math.round(Math.max(2 * MIN_BURST_BYTES, QUEUE_MS * bytesPerMs))
  const rate = `${Math.round(bitsPerSecond * FRAME_SHARE)}bit`
  await network(
    'tc',
    ...['-n', namespace, 'qdisc', 'add', 'dev', device, 'root', 'tbf', 'rate', rate],
    ...['burst', String(burst), 'limit', String(queue)],
  )
}

async function dropsAt({ namespace, device }: Device): Promise<number> {
  const text = await network('tc', '-n', namespace, '-s', '-j', 'qdisc', 'show', 'dev', device)
  const [queue] = JSON.parse(text) as { drops?: number }[]
  if (queue?.drops === undefined) throw new Error(`tc says nothing of drops: ${text}`)
  return queue.drops
}
