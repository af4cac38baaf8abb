/**
 * What the suites of the Host contract share: hosts that reach each other and are stopped afterwards, streams between them,
 * waiting for events with a deadline.
 */
import { afterEach } from 'vitest'
import { isCatalogError } from '../../core/src/errors.ts'
import type {
  ByteStream,
  HandleOptions,
  Host,
  HostEvent,
  PeerId,
} from '../../core/src/host/host.ts'

export const ECHO = '/catalog-test/echo/1'
export const SINK = '/catalog-test/sink/1'
export const HOLD = '/catalog-test/hold/1'
const DEADLINE_MS = 15_000

export interface HostWorld {
  /** A host that is not started. Hosts of one world can reach each other. */
  createHost(): Host
  readonly transport: string
  readonly maxInboundBytes: number
}

interface Pair {
  readonly world: HostWorld
  readonly a: Host
  readonly b: Host
}

export interface Hosts {
  started(count: number): Promise<{ world: HostWorld; all: Host[] }>
  pair(): Promise<Pair>
  connected(): Promise<Pair>
  /** Not started; stopped afterwards. */
  create(): Host
}

/** Called within a `describe`, which it cleans up after. */
export function createHosts(createWorld: () => HostWorld): Hosts {
  const made: Host[] = []

  async function started(count: number): Promise<{ world: HostWorld; all: Host[] }> {
    const world = createWorld()
    const all = Array.from({ length: count }, () => world.createHost())
    for (const host of all) {
      made.push(host)
      await host.start()
    }
    return { world, all }
  }

  async function pair(): Promise<Pair> {
    const { world, all } = await started(2)
    const [a, b] = all as [Host, Host]
    return { world, a, b }
  }

  async function connected(): Promise<Pair> {
    const { world, a, b } = await pair()
    const seen = eventOf(b, 'connected', a.id)
    await a.connect(addressOf(b), deadline())
    await seen
    return { world, a, b }
  }

  afterEach(async () => {
    for (const host of made.splice(0)) await host.stop()
  })

  return {
    ...{ started, pair, connected },
    create() {
      const host = createWorld().createHost()
      made.push(host)
      return host
    },
  }
}

export function deadline(): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(DEADLINE_MS) }
}

export function isCode(code: Parameters<typeof isCatalogError>[1]): (error: unknown) => boolean {
  return (error) => isCatalogError(error, code)
}

export function addressOf(host: Host): string {
  const [address] = host.addresses()
  if (address === undefined) throw new Error('the host has no address')
  return address
}

export function handleEcho(
  host: Host,
  maxStreamsPerPeer = 8,
  options: Partial<HandleOptions> = {},
): void {
  host.handle(
    ECHO,
    async (stream) => {
      for await (const bytes of stream.source) await stream.write(bytes)
      await stream.end()
    },
    { maxStreamsPerPeer, ...options },
  )
}

export async function echo(host: Host, peer: PeerId, bytes: Buffer): Promise<boolean> {
  const stream = await host.open(peer, ECHO, { signal: AbortSignal.timeout(DEADLINE_MS) })
  const collected = collect(stream)
  await stream.write(bytes)
  await stream.end()
  return (await collected).equals(bytes)
}

/** A peer learns of a stream with its first bytes. */
export async function openAndWrite(
  host: Host,
  peer: PeerId,
  protocol: string,
): Promise<ByteStream> {
  const stream = await host.open(peer, protocol, { signal: AbortSignal.timeout(DEADLINE_MS) })
  await stream.write(Buffer.from('hello'))
  return stream
}

/** The next stream of a protocol; nobody reads or answers it. */
export function streamOf(host: Host, protocol: string): Promise<ByteStream> {
  return new Promise((resolve) => {
    host.handle(protocol, (stream) => resolve(stream), { maxStreamsPerPeer: 8 })
  })
}

export async function collect(stream: ByteStream): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of stream.source) parts.push(part)
  return Buffer.concat(parts)
}

export async function drain(stream: ByteStream): Promise<void> {
  for await (const part of stream.source) void part
}

export function eventOf(host: Host, type: HostEvent['type'], peer: PeerId): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      leave()
      reject(new Error(`no ${type} event within ${DEADLINE_MS} ms`))
    }, DEADLINE_MS)
    const leave = host.onEvent((event) => {
      if (event.type !== type || event.peer !== peer) return
      clearTimeout(timer)
      leave()
      resolve()
    })
  })
}
