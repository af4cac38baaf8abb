/** Native QUIC endpoints that die: real ones over loopback, and made-up ones on a clock that stands still. */
import { setMaxListeners } from 'node:events'
import { quic } from '@chainsafe/libp2p-quic'
import type { Listener, Transport } from '@libp2p/interface'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createFakeClock } from '../../../../../test/support/fake-clock.ts'
import { until } from '../../../../../test/support/until.ts'
import { systemClock } from '../../../timing/clock.ts'
import type { Logger } from '../../../log.ts'
import { createNetworkProblems } from '../network-problems.ts'
import { withRestartingListeners } from './quic-listener.ts'
import { quicTransport } from './quic-transport.ts'

interface NativeEndpoint {
  abort(): unknown
}

interface NativeModule {
  readonly Server: { prototype: NativeEndpoint & { inboundConnection(): Promise<unknown> } }
  readonly Client: {
    prototype: NativeEndpoint & { outboundConnection(...to: unknown[]): Promise<unknown> }
  }
}

function logTo(events: string[]): Logger {
  const note = (event: string): void => void events.push(event)
  return { debug: () => undefined, info: note, warn: note, error: note }
}

describe('real endpoints', () => {
  /** The endpoints that are used from here on, and how often connections were asked of them. */
  async function spy() {
    const entry = import.meta.resolve('@chainsafe/libp2p-quic')
    const { Server, Client } = (await import(new URL('napi.js', entry).href)) as NativeModule
    const { inboundConnection } = Server.prototype
    const { outboundConnection } = Client.prototype
    const seen = {
      servers: new Set<NativeEndpoint>(),
      clients: new Set<NativeEndpoint>(),
      accepts: 0,
    }
    Server.prototype.inboundConnection = async function () {
      seen.servers.add(this)
      seen.accepts++
      return await inboundConnection.call(this)
    }
    Client.prototype.outboundConnection = async function (...to) {
      seen.clients.add(this)
      return await outboundConnection.apply(this, to)
    }
    onTestFinished(() => {
      Object.assign(Server.prototype, { inboundConnection })
      Object.assign(Client.prototype, { outboundConnection })
    })
    return seen
  }

  async function create(listen: readonly string[], events: string[] = []): Promise<Libp2p> {
    const deps = { clock: systemClock, log: logTo(events), problems: createNetworkProblems() }
    const node = await createLibp2p({
      addresses: { listen: [...listen] },
      transports: [quicTransport(quic, [4], deps)],
    })
    onTestFinished(() => node.stop())
    return node
  }

  async function connect(from: Libp2p, address: Multiaddr): Promise<void> {
    const signal = AbortSignal.timeout(10_000)
    for (;;) {
      try {
        await from.dial(address, { signal })
        return
      } catch (error) {
        if (signal.aborted) throw error // a busy machine may need more than the second that one dial gets
      }
    }
  }

  test('one that listens dies: nothing spins, and it listens again on the same port', async () => {
    const seen = await spy()
    const events: string[] = []
    const a = await create(['/ip4/127.0.0.1/udp/0/quic-v1'], events)
    const [b, c] = [await create([]), await create([])]
    const [address] = a.getMultiaddrs()
    if (address === undefined) throw new Error('it listens nowhere')
    await connect(b, address)
    const before = seen.accepts
    for (const server of seen.servers) void server.abort()
    await connect(c, address)
    expect(a.getMultiaddrs().map(String)).toEqual([address.toString()])
    expect(seen.servers.size).toBe(2)
    // Each of the loops asks the dead one once more, then the new one; and one more for each connection.
    expect(seen.accepts - before).toBeLessThan(4 * 256)
    expect(events).toEqual(['host.quic-listener-died', 'host.quic-listens-again'])
    for (const server of seen.servers) void server.abort()
    await a.stop() // in the middle of it
    expect(events.filter((event) => event === 'host.quic-listens-again').length).toBeLessThan(3)
  })

  test('one that was dialled waits for no deadline when it stops', async () => {
    const listening = await create(['/ip4/127.0.0.1/udp/0/quic-v1'])
    const [address] = listening.getMultiaddrs()
    if (address === undefined) throw new Error('it does not listen')
    await connect(await create([]), address)
    await until(() => listening.getConnections().length === 1)
    const timeout = vi.spyOn(AbortSignal, 'timeout')
    onTestFinished(() => timeout.mockRestore())
    timeout.mockImplementation(() => new AbortController().signal)
    await listening.stop()
    expect(listening.status).toBe('stopped')
  })

  test('one that dials dies: the next dial makes another one', async () => {
    const seen = await spy()
    const events: string[] = []
    const a = await create(['/ip4/127.0.0.1/udp/0/quic-v1'])
    const b = await create([], events)
    const [address] = a.getMultiaddrs()
    if (address === undefined) throw new Error('it listens nowhere')
    await connect(b, address)
    for (const client of seen.clients) client.abort()
    await until(() => b.getConnections().length === 0)
    await Promise.all([connect(b, address), connect(b, address)])
    expect(events).toEqual(['host.quic-dialer-died'])
    await b.stop()
    await expect(b.dial(address)).rejects.toThrow()
  })
})

describe('an endpoint that does not come back', () => {
  /** A listener as the library makes it, on endpoints that the test kills and that open when it says so. */
  function world() {
    const clock = createFakeClock()
    const events: string[] = []
    const problems = createNetworkProblems()
    const address = multiaddr('/ip4/127.0.0.1/udp/4875/quic-v1')
    const state = { canOpen: true, opened: 0, accepts: 0, kill: (): void => undefined }
    const fake = {
      state: { status: 'ready' } as unknown,
      async listen(listenAddr: Multiaddr) {
        if (!state.canOpen) throw new Error('address already in use')
        state.opened++
        const controller = new AbortController()
        setMaxListeners(0, controller.signal)
        const dead = Promise.withResolvers<never>()
        dead.promise.catch(() => undefined)
        state.kill = () => dead.reject(new Error('server closed'))
        const listener = {
          async inboundConnection() {
            state.accepts++
            return await dead.promise
          },
          abort: async () => undefined,
        }
        fake.state = {
          status: 'listening',
          listener,
          listenAddr,
          controller,
          connections: new Set(),
        }
        void fake.awaitInboundConnections()
      },
      async awaitInboundConnections() {
        const { listener, controller } = fake.state as {
          listener: { inboundConnection(): Promise<unknown> }
          controller: AbortController
        }
        const stop = Promise.withResolvers<never>()
        controller.signal.addEventListener('abort', () => stop.reject(new Error('aborted')))
        for (;;) {
          try {
            await Promise.race([listener.inboundConnection(), stop.promise])
          } catch {
            if (controller.signal.aborted) return
          }
        }
      },
      getAddrs: () => [address],
      async close() {
        fake.state = { status: 'closed' }
      },
    }
    const create = withRestartingListeners(() => fake as unknown as Listener, {
      ...{ clock, problems },
      log: logTo(events),
    })
    const options = {} as Parameters<Transport['createListener']>[0]
    return { clock, events, problems, address, state, listener: create(options) }
  }

  test('is told once, is tried again with growing pauses, and shows in what does not work', async () => {
    const { clock, events, problems, address, state, listener } = world()
    await listener.listen(address)
    expect({ opened: state.opened, texts: problems.texts }).toEqual({ opened: 1, texts: [] })
    await clock.advance(3600_000)
    state.canOpen = false
    state.kill()
    await clock.advance(0)
    expect(problems.texts).toEqual([expect.stringContaining(address.toString())])
    expect(listener.getAddrs()).toEqual([])
    await clock.advance(600_000)
    expect(events).toEqual(['host.quic-listener-died'])
    expect(clock.sleepers).toBe(1)
    expect(state.accepts).toBeLessThan(3 * 256)
    state.canOpen = true
    await clock.advance(60_000)
    expect(state.opened).toBe(2)
    expect(problems.texts).toEqual([])
    expect(listener.getAddrs()).toEqual([address])
    expect(events).toEqual(['host.quic-listener-died', 'host.quic-listens-again'])
  })

  test('one that dies again and again is not opened again and again without a pause', async () => {
    const { clock, address, state, listener } = world()
    await listener.listen(address)
    for (let second = 0; second < 60; second++) {
      state.kill()
      await clock.advance(1_000)
    }
    expect(state.opened).toBeLessThan(9)
    expect(state.opened).toBeGreaterThan(4)
  })

  test('closed meanwhile: it stays closed, and nothing is left', async () => {
    const { clock, problems, address, state, listener } = world()
    await listener.listen(address)
    state.canOpen = false
    state.kill()
    await clock.advance(1_500)
    await listener.close()
    state.canOpen = true
    await clock.advance(600_000)
    expect(state.opened).toBe(1)
    expect(clock.sleepers).toBe(0)
    expect(problems.texts).toEqual([])
  })
})
