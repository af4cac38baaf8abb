/**
 * What every Host must do about connections: whom it meets, what it tells, how it stops. Run on the in-memory host and on
 * libp2p over loopback QUIC and TCP (host.test.ts); host-streams.contract.ts is about what goes over a connection.
 */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { isCatalogError } from '../../core/src/errors.ts'
import type { Admit, Host, HostEvent, PeerConnection, PeerId } from '../../core/src/host/host.ts'
import {
  ECHO,
  HOLD,
  createHosts,
  deadline,
  isCode,
  addressOf,
  handleEcho,
  echo,
  openAndWrite,
  streamOf,
  drain,
  eventOf,
  type HostWorld,
} from './host-pairs.ts'

export function hostContract(name: string, createWorld: () => HostWorld): void {
  describe(`Host: ${name}`, () => {
    const hosts = createHosts(createWorld)
    const { pair, connected } = hosts

    it('connects to a multiaddr and tells both sides', async () => {
      const { world, a, b } = await pair()
      const seenByA = eventOf(a, 'connected', b.id)
      const seenByB = eventOf(b, 'connected', a.id)
      expect(await a.connect(addressOf(b), deadline())).toBe(b.id)
      await Promise.all([seenByA, seenByB])
      expect(a.isConnected(b.id)).toBe(true)
      expect(b.isConnected(a.id)).toBe(true)
      expect(a.peers()).toMatchObject([
        { peer: b.id, direction: 'outbound', transport: world.transport },
      ])
      expect(b.peers()).toMatchObject([{ peer: a.id, direction: 'inbound' }])
    })

    it('announces addresses that end in its peer id', async () => {
      const { all } = await hosts.started(1)
      const [host] = all as [Host]
      expect(host.addresses().length).toBeGreaterThan(0)
      for (const address of host.addresses()) expect(address.endsWith(`/${host.id}`)).toBe(true)
      expect(host.problems()).toEqual([])
    })

    it('connects by peer id once it has learned addresses', async () => {
      const { a, b } = await pair()
      await a.learnAddresses(b.id, b.addresses(), addressOf(b))
      expect(await a.connect(b.id, deadline())).toBe(b.id)
    })

    it('connects once for many callers, and for both directions at once', async () => {
      const { a, b } = await pair()
      let announced = 0
      a.onEvent((event) => (announced += Number(event.type === 'connected')))
      await Promise.all([
        ...Array.from({ length: 5 }, () => a.connect(addressOf(b), deadline())),
        b.connect(addressOf(a), deadline()),
      ])
      expect(a.peers().map(({ peer }) => peer)).toEqual([b.id])
      expect(announced).toBe(1)
      handleEcho(b)
      handleEcho(a)
      expect(await echo(a, b.id, randomBytes(1000))).toBe(true)
      expect(await echo(b, a.id, randomBytes(1000))).toBe(true)
    })

    it('answers a peer that is not there with PEER_UNREACHABLE', async () => {
      const { a, b } = await pair()
      const address = addressOf(b)
      await b.stop()
      await expect(a.connect(address, deadline())).rejects.toSatisfy(isCode('PEER_UNREACHABLE'))
    })

    it('rejects with the reason of an aborted signal, untouched', async () => {
      const { a, b } = await pair()
      const reason = new Error('changed my mind')
      const aborted = AbortSignal.abort(reason)
      await expect(a.connect(addressOf(b), { signal: aborted })).rejects.toBe(reason)
      await a.connect(addressOf(b), deadline())
      await expect(a.open(b.id, ECHO, { signal: aborted })).rejects.toBe(reason)
    })

    it('tells of a peer that stops, and says nothing more of it', async () => {
      const { a, b } = await connected()
      const lost = eventOf(a, 'disconnected', b.id)
      await b.stop()
      await lost
      expect(a.isConnected(b.id)).toBe(false)
      expect(a.peers()).toEqual([])
    })

    it('fails its own streams with NODE_STOPPED when it stops', async () => {
      const { a, b } = await connected()
      void streamOf(b, HOLD)
      const stream = await openAndWrite(a, b.id, HOLD)
      const reading = drain(stream)
      const lost = eventOf(a, 'disconnected', b.id)
      const stopping = a.stop()
      await expect(reading).rejects.toSatisfy(isCode('NODE_STOPPED'))
      await stopping
      await lost
      expect(a.peers()).toEqual([])
      await expect(a.connect(addressOf(b), deadline())).rejects.toSatisfy(isCode('NODE_STOPPED'))
    })

    it('can be stopped twice, and stopped without a start', async () => {
      const host = hosts.create()
      await host.stop()
      await host.start()
      await host.stop()
      await host.stop()
    })

    it('can be stopped while it starts, and started again', async () => {
      const { a } = await pair()
      const host = hosts.create()
      const starting = host.start()
      await host.stop()
      await starting
      expect(host.addresses()).toEqual([])
      await a.stop()
      await a.start()
      expect(a.addresses().length).toBeGreaterThan(0)
    })

    it('refuses to dial a denied peer', async () => {
      const { a, b } = await pair()
      a.setGate((peer) => peer === b.id)
      await expect(a.connect(addressOf(b), deadline())).rejects.toSatisfy(isCode('PEER_REFUSED'))
    })

    it('lets no denied peer in', async () => {
      const { a, b } = await pair()
      handleEcho(b)
      b.setGate((peer) => peer === a.id)
      const used = (async () => {
        await a.connect(addressOf(b), deadline())
        return drain(await openAndWrite(a, b.id, ECHO))
      })()
      await expect(used).rejects.toSatisfy(isCatalogError)
      expect(b.isConnected(a.id)).toBe(false)
    })

    it('disconnects a peer when it is denied', async () => {
      const { a, b } = await connected()
      const lost = eventOf(a, 'disconnected', b.id)
      b.setGate((peer) => peer === a.id)
      await lost
      expect(b.isConnected(a.id)).toBe(false)
    })

    it('asks the gate for each stream too', async () => {
      const { a, b } = await pair()
      const denied = new Set<PeerId>()
      b.setGate((peer) => denied.has(peer))
      handleEcho(b)
      await a.connect(addressOf(b), deadline())
      denied.add(a.id)
      await expect((async () => drain(await openAndWrite(a, b.id, ECHO)))()).rejects.toSatisfy(
        isCatalogError,
      )
    })

    it('tells of a peer and serves it when it is admitted, and not before', async () => {
      const { a, b } = await pair()
      const asked = Promise.withResolvers<PeerConnection>()
      const answer = Promise.withResolvers<boolean>()
      let questions = 0
      b.setAdmission((connection) => {
        questions += 1
        asked.resolve(connection)
        return answer.promise
      })
      const events: HostEvent[] = []
      b.onEvent((event) => events.push(event))
      handleEcho(b)
      await a.connect(addressOf(b), deadline())
      const echoed = echo(a, b.id, Buffer.from('let me in'))
      expect(await asked.promise).toMatchObject({ peer: a.id, direction: 'inbound' })
      await new Promise(setImmediate)
      expect(b.isConnected(a.id)).toBe(false)
      expect(b.peers()).toEqual([])
      expect(events).toEqual([])
      answer.resolve(true)
      expect(await echoed).toBe(true)
      expect(b.isConnected(a.id)).toBe(true)
      expect(events).toEqual([{ type: 'connected', peer: a.id }])
      expect(await echo(a, b.id, Buffer.from('again'))).toBe(true)
      expect(questions).toBe(1)
    })

    const refusing: readonly [string, Admit][] = [
      ['refuses', async () => false],
      ['fails', () => Promise.reject(new Error('no certificate'))],
    ]
    it.for(refusing)('disconnects a peer whose admission %s, untold', async ([, admit]) => {
      const { a, b } = await pair()
      b.setAdmission(admit)
      const events: HostEvent[] = []
      b.onEvent((event) => events.push(event))
      handleEcho(b)
      const lost = eventOf(a, 'disconnected', b.id)
      const used = a.connect(addressOf(b), deadline()).then(() => echo(a, b.id, Buffer.from('x')))
      used.catch(() => undefined)
      await lost
      await expect(used).rejects.toSatisfy(isCatalogError)
      expect(b.peers()).toEqual([])
      expect(events).toEqual([])
    })

    it('refuses to connect to a peer that it does not admit', async () => {
      const { a, b } = await pair()
      a.setAdmission(async () => false)
      await expect(a.connect(addressOf(b), deadline())).rejects.toSatisfy(isCatalogError)
      expect(a.isConnected(b.id)).toBe(false)
    })

    it('lets both sides ask each other before they admit', async () => {
      const { a, b } = await pair()
      for (const host of [a, b]) {
        handleEcho(host, 8, { beforeAdmission: true })
        host.setAdmission(({ peer }): Promise<boolean> =>
          echo(host, peer, Buffer.from('who are you')),
        )
      }
      const told = eventOf(b, 'connected', a.id)
      await a.connect(addressOf(b), deadline())
      await told
      expect(a.isConnected(b.id)).toBe(true)
    })

    it('stops telling a listener that has left', async () => {
      const { a, b } = await pair()
      const events: HostEvent[] = []
      const leave = a.onEvent((event) => events.push(event))
      leave()
      await a.connect(addressOf(b), deadline())
      expect(events).toEqual([])
    })
  })
}
