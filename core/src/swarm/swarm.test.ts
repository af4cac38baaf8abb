/** What counts as membership, and for how long: keys that end, certificates, revocation, and machines that join. */
import { describe, expect, it, vi } from 'vitest'
import { isCode } from '../../../test/contract/host-pairs.ts'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { streamPair } from '../../../test/support/stream-pair.ts'
import { issueCertificate } from '../certificates/certificate.ts'
import type { Meeting } from '../host/host.ts'
import { silentLogger } from '../log.ts'
import { generateKey } from '../signing/hybrid-key.ts'
import { keyIdOf } from '../signing/key-id.ts'
import { createExpulsion, EXPULSION_EVERY_MS } from './expulsion.ts'
import { createFrameSource } from './frame-source.ts'
import { inviteIdOf, joinAsDialer, type OpenInvite } from './joining.ts'
import { createSwarmKey } from './swarm-key.ts'
import { createSwarm, type Swarm, type SwarmState } from './swarm.ts'

const A = '12D3KooWGRUfS4sZCXV7TGDGyrpnbKZ5GHPMLiNSMDLTQ4FsbmaF'
const B = '12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6'
const unlimited = { signal: new AbortController().signal }
const refused = expect.toSatisfy(isCode('PEER_REFUSED'))
const HOUR_MS = 3_600_000

/** `a` dials `b`; each side's result. */
async function meet(a: Swarm, b: Swarm): Promise<PromiseSettledResult<boolean>[]> {
  const { local, remote } = streamPair()
  return await Promise.allSettled([
    a.prove(local, { self: A, peer: B, role: 'dialer' }, unlimited),
    b.prove(remote, { self: B, peer: A, role: 'listener' }, unlimited),
  ])
}

const states = (results: readonly PromiseSettledResult<boolean>[]): string[] =>
  results.map(({ status }) => status)

describe('a key', () => {
  const clock = createFakeClock()
  const [old, next] = [createSwarmKey(), createSwarmKey()]
  const untilMs = clock.epochMs() + HOUR_MS

  it('counts beside the next one until its time is up, also for who is connected', async () => {
    let state: SwarmState = { name: 'x', keys: [{ key: next }, { key: old, untilMs }] }
    const a = createSwarm({ clock, state: () => state })
    const b = createSwarm({ clock, state: () => ({ name: 'x', keys: [{ key: old }] }) })
    expect(states(await meet(a, b))).toEqual(['fulfilled', 'fulfilled'])
    expect([a.isMember(B), b.isMember(A), a.isMember(A)]).toEqual([true, true, false])
    await clock.advance(HOUR_MS)
    expect([a.isMember(B), b.isMember(A)]).toEqual([false, true])
    expect(states(await meet(a, b))).toContain('rejected')
    state = { name: 'x', keys: [{ key: old }] }
    expect(states(await meet(a, b))).toEqual(['fulfilled', 'fulfilled'])
  })

  it('that ends disconnects whom it has let in, without keeping them from coming back', async () => {
    const disconnect = vi.fn(async () => undefined)
    const host = { peers: () => [{ peer: A }, { peer: B }] as never, disconnect }
    let members = [A, B]
    const expulsion = createExpulsion({
      ...{ host, clock, log: silentLogger },
      isMember: (peer) => members.includes(peer),
    })
    expulsion.start()
    expect(disconnect).not.toHaveBeenCalled()
    members = [A]
    await clock.advance(EXPULSION_EVERY_MS)
    expect(disconnect.mock.calls).toEqual([[B, { mayReturn: true }]])
    expulsion.stop()
    await clock.advance(EXPULSION_EVERY_MS)
    expect(disconnect).toHaveBeenCalledTimes(1)
  })
})

describe('a root', () => {
  const clock = createFakeClock()
  const root = generateKey()
  const id = keyIdOf(root.publicKey)
  const key = createSwarmKey()
  const certify = (peer: string, names = ['builds'], hours = 1, by = root): Uint8Array =>
    issueCertificate(
      {
        ...{ subject: { kind: 'machine', peer }, names, note: '' },
        notBeforeMs: clock.epochMs() - HOUR_MS,
        notAfterMs: clock.epochMs() + hours * HOUR_MS,
      },
      by,
    )
  const of = (certificate?: Uint8Array, more: Partial<SwarmState> = {}): Swarm => {
    const keys = [{ key }]
    const state: SwarmState = { name: 'builds', keys, root: id, certificate, ...more }
    return createSwarm({ clock, state: () => state })
  }

  it.each([
    ['certified machines in', certify(A), true],
    ['none without a certificate', undefined, false],
    ["none with another's", certify(B), false],
    ['none of another swarm', certify(A, ['other']), false],
    ['none that another root has certified', certify(A, ['builds'], 1, generateKey()), false],
    ['none with bytes that are no certificate', new Uint8Array(100), false],
  ])('lets %s', async (_, certificate, isIn) => {
    const [a, b] = [of(certificate), of(certify(B))]
    const [, listener] = await meet(a, b)
    expect(listener?.status).toBe(isIn ? 'fulfilled' : 'rejected')
    expect(b.isMember(A)).toBe(isIn)
  })

  it('shows a dialer that is certified no listener that is not', async () => {
    const [dialer] = await meet(of(certify(A)), of())
    expect(dialer).toMatchObject({ reason: refused })
  })

  it('lets certified machines in without any key', async () => {
    const [a, b] = [of(certify(A), { keys: [] }), of(certify(B), { keys: [] })]
    expect(states(await meet(a, b))).toEqual(['fulfilled', 'fulfilled'])
    expect(states(await meet(of(undefined, { keys: [] }), b))).toContain('rejected')
  })

  it('takes back what it has certified: expiry and revocation count for who is connected', async () => {
    const revoked = new Set<string>()
    const [a, b] = [of(certify(A)), of(certify(B), { revoked })]
    await meet(a, b)
    expect([a.isMember(B), b.isMember(A)]).toEqual([true, true])
    revoked.add(A)
    expect(b.isMember(A)).toBe(false)
    expect(states(await meet(a, b))[1]).toBe('rejected')
    await clock.advance(HOUR_MS)
    expect(a.isMember(B)).toBe(false)
  })
})

describe('an invite', () => {
  const secret = Buffer.alloc(16, 7)
  const swarmOf = (...invites: OpenInvite[]): Swarm =>
    createSwarm({
      clock: createFakeClock(),
      state: () => ({ name: 'x', keys: [{ key: createSwarmKey() }] }),
      findInvite: (id) => invites.find((each) => inviteIdOf(each.secret) === id),
    })

  async function join(listener: Swarm, bearer: Uint8Array, listenerId = B) {
    const { local, remote } = streamPair()
    const meeting: Meeting = { self: A, peer: listenerId, role: 'dialer' }
    const talk = { stream: local, frames: createFrameSource(local.source, 4096), meeting }
    const serving = listener.prove(remote, { self: B, peer: A, role: 'listener' }, unlimited)
    const [gift, served] = await Promise.allSettled([
      joinAsDialer(talk, bearer).finally(() => local.end()),
      serving,
    ])
    return { gift, served }
  }

  it('brings the gift, and lets nobody stay on that connection', async () => {
    const redeem = vi.fn(async () => Buffer.from('a swarm'))
    const swarm = swarmOf({ secret, redeem })
    const { gift, served } = await join(swarm, secret)
    expect(gift).toEqual({ status: 'fulfilled', value: Buffer.from('a swarm') })
    expect(served).toEqual({ status: 'fulfilled', value: false })
    expect(redeem).toHaveBeenCalledTimes(1)
    expect(swarm.isMember(A)).toBe(false)
  })

  it('that counts no more says so to its bearer alone', async () => {
    const redeem = vi.fn(() => Promise.reject(new Error('it was used before')))
    const used = await join(swarmOf({ secret, redeem }), secret)
    expect(used.gift).toMatchObject({ reason: refused })
    expect(used.gift).toMatchObject({ reason: { message: /it was used before/ } })
    const other = await join(swarmOf({ secret, redeem }), Buffer.alloc(16, 8))
    expect(other.gift).toMatchObject({ status: 'rejected' })
    expect(redeem).toHaveBeenCalledTimes(1)
  })

  it('is redeemed for nobody who only knows its id, nor by one between', async () => {
    const redeem = vi.fn(async () => Buffer.from('a swarm'))
    const swarm = swarmOf({ secret, redeem })
    const { local, remote } = streamPair()
    const serving = swarm.prove(remote, { self: B, peer: A, role: 'listener' }, unlimited)
    const hello = Buffer.concat([Buffer.from([1, 1]), Buffer.alloc(32)])
    const id = Buffer.from(inviteIdOf(secret), 'hex')
    await local.write(Buffer.concat([Buffer.from([0, 0, 0, 42]), hello, id]))
    await local.write(Buffer.concat([Buffer.from([0, 0, 0, 16]), Buffer.alloc(16)]))
    await expect(serving).rejects.toEqual(refused)
    // The bearer has dialled M, who passes on what it says to B.
    const relayed = await join(swarm, secret, 'somebody else')
    expect(relayed.gift).toMatchObject({ reason: refused })
    expect(redeem).not.toHaveBeenCalled()
  })
})
