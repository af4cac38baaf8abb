/**
 * Results of build tasks between machines over real QUIC, as their tools ask for them over HTTP: what a writer that is trusted has
 * signed is taken, and nothing else is, whoever offers it.
 */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { digestOf, issueCertificate, keyIdOf, signRevocations, type KeyId } from '@catalog-p2p/core'
import type { GatewayOptions } from '@catalog-p2p/gateway'
import { buildKeyOf } from '../../gateway/src/build-results/build-key.ts'
import { BUILD_RESULTS } from '../../gateway/src/build-results/build-messages.ts'
import { signBuild } from '../../gateway/src/build-results/build-statement.ts'
import { CertificateBook } from '../../gateway/src/trust/certificate-book.ts'
import { certificatesPath } from '../../gateway/src/trust/trust-file.ts'
import { createCollectingLogger } from '../support/collecting-logger.ts'
import { meet, quietNode, type Machine } from '../support/machines/machine.ts'
import {
  ann,
  annsKey,
  BUILD_TOKEN,
  networkMachines,
  TOKEN,
} from '../support/machines/network-machine.ts'
import { keyOf } from '../support/registries/publishing.ts'
import { until } from '../support/until.ts'

const bobsKey = keyOf('bob')
const bob = keyIdOf(bobsKey.publicKey)
const rootKey = keyOf('root')
const root = keyIdOf(rootKey.publicKey)
const TRUSTS_ANN = `@build-results key ${ann}\n`
const TRUSTS_BOB = `@build-results key ${bob}\n`
const TRUSTS_BOTH = TRUSTS_ANN + TRUSTS_BOB

const world = await networkMachines()
afterAll(() => world[Symbol.asyncDispose]())

function options(buildResults: 'read' | 'write', more: GatewayOptions = {}): GatewayOptions {
  // However busy the machine is: what is tested is whose word counts, not how long a peer takes.
  return { buildResults, privateSwarm: true, buildResultsWaitMs: 10_000, ...more }
}

const writer = await world.machine('writer', annsKey, {
  ...{ trust: TRUSTS_BOTH, gateway: options('write') },
})
const reader = await world.machine('reader', undefined, {
  ...{ trust: TRUSTS_ANN, gateway: options('read') },
})
const stranger = await world.machine('stranger', bobsKey, {
  ...{ trust: TRUSTS_BOB, gateway: options('write') },
})
await Promise.all([meet(reader.node, writer.node, 0), meet(stranger.node, reader.node, 0)])

interface Answer {
  readonly status: number
  readonly text: string
  readonly tag: string | null
  readonly duration: string | null
}

async function ask(machine: Machine, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${machine.url}/-/catalog/builds/${path}`, init)
  const { status, headers } = response
  const said = { tag: headers.get('x-artifact-tag'), duration: headers.get('x-artifact-duration') }
  return { status, text: await response.text(), ...said }
}

async function put(
  machine: Machine,
  path: string,
  body: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const authorization = `Bearer ${BUILD_TOKEN}`
  const sent = { authorization, 'content-type': 'application/octet-stream', ...headers }
  return (await ask(machine, path, { method: 'PUT', body, headers: sent })).status
}

/** What was written just now is heard of a moment later. */
const POLL = { timeout: 20_000, interval: 50 }
const keyOfNx = (hash: string): string => buildKeyOf({ tool: 'nx', team: 'acme', hash })
const turbo = (hash: string): string => `acme/v8/artifacts/${hash}?slug=acme`
const nx = (hash: string): string => `acme/v1/cache/${hash}`
const builds = (machine: Machine) => machine.gateway.stats().builds

describe('who may write', () => {
  test('only where that was switched on, and with the token', async () => {
    expect(await put(reader, turbo('w1'), 'x')).toBe(403)
    expect(await put(writer, turbo('w1'), 'x', { authorization: '' })).toBe(401)
    expect(await put(writer, turbo('w1'), 'x', { authorization: 'Bearer other' })).toBe(401)
    // What may publish is no token for jobs.
    expect(await put(writer, turbo('w1'), 'x', { authorization: `Bearer ${TOKEN}` })).toBe(401)
    expect((await ask(writer, turbo('w1'))).status).toBe(404)
    expect(builds(writer).written).toBe(0)
  })

  test('and that token opens nothing else', async () => {
    const publish = async (token: string): Promise<number> => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const sent = { method: 'PUT', headers, body: '{}' }
      return (await fetch(`${writer.url}/@build-results%2fpackage`, sent)).status
    }
    expect(await publish(BUILD_TOKEN)).toBe(403)
    expect(await publish(TOKEN)).not.toBe(403)
  })

  const endless = (): ReadableStream =>
    new ReadableStream({ start: (sink) => sink.enqueue(new Uint8Array(1)) })

  test('a bounded number at once: one more is told to come again', async () => {
    const leaving = new AbortController()
    const putting = Array.from({ length: 103 }, (_, index) =>
      fetch(`${writer.url}/-/catalog/builds/${nx(`many${index}`)}`, {
        ...{ method: 'PUT', body: endless(), duplex: 'half', signal: leaving.signal },
        headers: {
          authorization: `Bearer ${BUILD_TOKEN}`,
          'content-type': 'application/octet-stream',
        },
      }),
    )
    expect((await Promise.race(putting)).status).toBe(503)
    leaving.abort()
    await Promise.allSettled(putting)
    await expect.poll(() => put(writer, nx('after'), 'x'), POLL).toBe(200)
  })

  test('no more than 256 MiB', async () => {
    const length = { authorization: `Bearer ${BUILD_TOKEN}`, 'content-length': String(2 ** 28 + 1) }
    const path = `/-/catalog/builds/${nx('huge')}`
    const put = request(`${writer.url}${path}`, { method: 'PUT', headers: length })
    put.on('error', () => undefined) // it is hung up on
    put.flushHeaders()
    const [answer] = (await once(put, 'response')) as [IncomingMessage]
    expect(answer.statusCode).toBe(413)
    put.destroy()
  })

  test('the first result of a task stands', async () => {
    expect(await put(writer, nx('11'), 'first')).toBe(200)
    expect(await put(writer, nx('11'), 'second')).toBe(409)
    expect(await put(writer, turbo('t11'), 'first')).toBe(202)
    expect(await put(writer, turbo('t11'), 'second')).toBe(202)
    expect((await ask(writer, nx('11'))).text).toBe('first')
    expect((await ask(writer, turbo('t11'))).text).toBe('first')
  })

  test('a result whose bytes are gone may be written anew', async () => {
    await put(writer, nx('12'), 'gone')
    await writer.node.remove(digestOf(Buffer.from('gone')))
    expect((await ask(writer, nx('12'))).status).toBe(404)
    expect(await put(writer, nx('12'), 'again')).toBe(200)
    expect((await ask(writer, nx('12'))).text).toBe('again')
  })
})

describe('what a reader takes', () => {
  test('a result of a writer that it trusts, with all that its tool has said of it', async () => {
    const headers = { 'x-artifact-tag': 'c2lnbmVk+/=', 'x-artifact-duration': '1234' }
    expect(await put(writer, turbo('r1'), 'built', headers)).toBe(202)
    const wanted = { status: 200, text: 'built', tag: 'c2lnbmVk+/=', duration: '1234' }
    await expect.poll(() => ask(reader, turbo('r1')), POLL).toEqual(wanted)
    const before = builds(reader)
    expect(before.peer).toBe(1)
    const head = await ask(reader, turbo('r1'), { method: 'HEAD' })
    expect(head).toEqual({ ...wanted, text: '' })
    expect(await ask(reader, turbo('r1'))).toEqual(wanted)
    expect(builds(reader).store).toBe(before.store + 1)
    // Nothing else is behind the same hash of another tool or team.
    expect((await ask(reader, nx('r1'))).status).toBe(404)
    expect((await ask(reader, 'other/v8/artifacts/r1')).status).toBe(404)
  })

  test('not one of a member that nobody has named, though its signature holds', async () => {
    expect(await put(stranger, nx('poison'), 'evil')).toBe(200)
    const { untrusted } = builds(reader)
    expect((await ask(reader, nx('poison'))).status).toBe(404)
    expect(builds(reader).untrusted).toBe(untrusted + 1)
    expect(reader.node.has(digestOf(Buffer.from('evil')))).toBe(false)
  })

  test('none of a writer any more that is struck from the trust file', async () => {
    await put(writer, nx('struck'), 'fine')
    await expect.poll(async () => (await ask(reader, nx('struck'))).status, POLL).toBe(200)
    const path = join(world.folder, 'reader', 'trust.txt')
    await writeFile(path, '', { mode: 0o600 })
    await expect.poll(async () => (await ask(reader, nx('struck'))).status, POLL).toBe(404)
    await writeFile(path, TRUSTS_ANN, { mode: 0o600 })
    await expect.poll(async () => (await ask(reader, nx('struck'))).status, POLL).toBe(200)
  })

  test('of two writers that differ one, and always the same; its own before both', async () => {
    const other = await world.machine('both', undefined, {
      ...{ trust: TRUSTS_BOTH, gateway: options('write') },
    })
    await Promise.all([put(writer, nx('both'), 'of ann'), put(stranger, nx('both'), 'of bob')])
    await Promise.all([meet(other.node, writer.node, 1), meet(other.node, stranger.node, 1)])
    const first = ann < bob ? 'of ann' : 'of bob'
    await expect.poll(async () => (await ask(other, nx('both'))).text, POLL).toBe(first)
    expect((await ask(other, nx('both'))).text).toBe(first)
    expect(builds(other).conflicts).toBe(1)
    expect(await put(other, nx('both'), 'its own')).toBe(200)
    expect((await ask(other, nx('both'))).text).toBe('its own')
  })

  test('of a writer named for one team that team’s alone', async () => {
    const theirs = await world.machine('one team', undefined, {
      ...{ trust: `@build-results/acme key ${ann}\n`, gateway: options('read') },
    })
    await meet(theirs.node, writer.node, 0)
    await put(writer, nx('team'), 'of acme')
    await put(writer, 'other/v1/cache/team', 'of others')
    await expect.poll(async () => (await ask(theirs, nx('team'))).text, POLL).toBe('of acme')
    const { untrusted } = builds(theirs)
    expect((await ask(theirs, 'other/v1/cache/team')).status).toBe(404)
    // It was not even asked for: nobody may write it.
    expect(builds(theirs).untrusted).toBe(untrusted)
  })

  test('no list of what there is', async () => {
    for (const path of ['', 'acme', 'acme/v1/cache', 'acme/v8/artifacts']) {
      expect({ path, status: (await ask(reader, path)).status }).toEqual({ path, status: 404 })
    }
  })
})

let written = 0
/** Writes one more, and says whether a key has signed it. */
async function writesSigned(machine: Machine): Promise<boolean> {
  const { unsigned } = builds(machine)
  expect(await put(machine, nx(`signed${++written}`), `result ${written}`)).toBe(200)
  return builds(machine).unsigned === unsigned
}

test('who its organisation has certified writes and is read, until that is taken back', async () => {
  const here = await world.machine('certified', bobsKey, {
    ...{ trust: '', gateway: options('write', { swarmRoot: root }) },
  })
  await meet(here.node, writer.node, 0)
  const path = certificatesPath(join(world.folder, 'certified'))
  const book = new CertificateBook(path, { log: createCollectingLogger() })
  const notBeforeMs = Date.now() - 3_600_000
  const certify = (key: KeyId, lifetimeMs: number): Uint8Array =>
    issueCertificate(
      {
        ...{ subject: { kind: 'publisher', key }, names: ['@build-results'], note: '' },
        ...{ notBeforeMs, notAfterMs: notBeforeMs + lifetimeMs },
      },
      rootKey,
    )
  const [EXPIRED, VALID] = [60_000, 7_200_000]
  const asked = async (): Promise<number> => (await ask(here, nx('certified'))).status
  await put(writer, nx('certified'), 'theirs')
  expect(await asked()).toBe(404)
  await put(here, nx('own1'), 'mine')
  expect(builds(here).unsigned).toBe(1)
  expect(here.node.entry(digestOf(Buffer.from('mine')))?.visibility).toBe('private')

  const bobs = certify(bob, VALID)
  const expired = [certify(ann, EXPIRED), bobs]
  await book.take(root, { revocations: undefined, certificates: expired })
  // It has read them: Bob may write now.
  await expect.poll(() => writesSigned(here), POLL).toBe(true)
  expect(await asked()).toBe(404)
  await book.take(root, { revocations: undefined, certificates: [certify(ann, VALID), bobs] })
  await expect.poll(asked, POLL).toBe(200)
  const list = { sequence: 1, issuedAtMs: notBeforeMs, subjects: [ann] }
  await book.take(root, { revocations: signRevocations(list, rootKey), certificates: [] })
  await expect.poll(asked, POLL).toBe(404)
})

describe('peers that do harm', () => {
  test('who sends what is forged, or was not asked for, is disconnected', async () => {
    const claims = { digest: digestOf(Buffer.from('x')), size: 1, durationMs: 0, tag: '' }
    const forged = signBuild({ ...claims, key: keyOfNx('f1') }, annsKey)
    forged[forged.byteLength - 1]! ^= 1
    const other = signBuild({ ...claims, key: keyOfNx('f0') }, annsKey)
    for (const statement of [forged, other]) {
      await using liar = await quietNode()
      liar.questions.answer(BUILD_RESULTS, {
        ...{ maxStreamsPerPeer: 1, answer: () => Promise.resolve([statement]) },
      })
      await meet(reader.node, liar, 0)
      expect((await ask(reader, nx('f1'))).status).toBe(404)
      await until(() => !reader.node.peers().some(({ peer }) => peer === liar.id))
    }
  })

  test('what nobody who counts has signed is not even verified', async () => {
    const claims = { digest: digestOf(Buffer.from('x')), size: 1, durationMs: 0, tag: '' }
    const forged = signBuild({ ...claims, key: keyOfNx('f2') }, bobsKey)
    forged[forged.byteLength - 1]! ^= 1
    await using crowd = await quietNode()
    crowd.questions.answer(BUILD_RESULTS, {
      ...{ maxStreamsPerPeer: 1, answer: () => Promise.resolve(Array(4).fill(forged)) },
    })
    await meet(reader.node, crowd, 0)
    const { untrusted } = builds(reader)
    expect((await ask(reader, nx('f2'))).status).toBe(404)
    expect(builds(reader).untrusted).toBe(untrusted + 4)
  })

  test('who stays silent keeps one build waiting, and not the next', async () => {
    await using silent = await quietNode()
    let asked = 0
    const hang = Promise.withResolvers<undefined>()
    silent.questions.answer(BUILD_RESULTS, {
      maxStreamsPerPeer: 8,
      answer() {
        asked += 1
        return hang.promise
      },
    })
    const hasty = await world.machine('hasty', undefined, {
      ...{ trust: TRUSTS_ANN, gateway: options('read', { buildResultsWaitMs: 1_000 }) },
    })
    await meet(hasty.node, silent, 0)
    const first = ask(hasty, nx('s1'))
    await until(() => asked === 1)
    expect((await first).status).toBe(404)
    expect((await ask(hasty, nx('s2'))).status).toBe(404)
    expect(asked).toBe(1)
    hang.resolve(undefined)
  })
})

test('without a private swarm nothing of it leaves the machine, nor is asked for', async () => {
  const open = await world.machine('open', annsKey, {
    ...{ trust: TRUSTS_ANN, gateway: options('write', { privateSwarm: false }) },
  })
  await meet(open.node, reader.node, 0)
  expect(await put(open, nx('open'), 'mine')).toBe(200)
  expect((await ask(open, nx('open'))).text).toBe('mine')
  expect(open.node.entry(digestOf(Buffer.from('mine')))?.visibility).toBe('private')
  expect((await ask(reader, nx('open'))).status).toBe(404)
  await put(writer, nx('there'), 'theirs')
  expect((await ask(open, nx('there'))).status).toBe(404)
})
