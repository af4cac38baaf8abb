import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createCounters, type Counters } from './counters.ts'
import type { TarballContext } from './request-context.ts'
import { createDigestFallback } from './fallback-by-digest.ts'
import type { TarballStream } from './verdaccio.ts'

const digest = `sha512-${Buffer.alloc(64, 1).toString('base64')}`
const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }
const notFound = Object.assign(new Error('no such package'), { status: 404 })
const stream = (): TarballStream & PassThrough =>
  Object.assign(new PassThrough(), { abort: vi.fn() })

let counters: Counters
beforeEach(() => {
  counters = createCounters()
})

interface Case {
  readonly digest?: string | undefined
  readonly manifest?: object
  readonly filters?: readonly object[]
  readonly isPublic?: boolean
  /** Of the one uplink: requests that failed since the last answer. */
  readonly failed?: number
}

function world(given: Case) {
  const peers = stream()
  const found = stream()
  const storage = {
    uplinks: { main: { failed_requests: given.failed ?? 1, fetchTarball: stream } },
    localStorage: {} as never,
    filters: given.filters ?? [],
    getTarball: stream,
  }
  const privacy = {
    isPublic: () => given.isPublic ?? true,
    isProxiedPublic: () => given.isPublic ?? true,
    proxiesOf: () => ['main'],
  }
  const fetcher = { fetch: stream, fromPeers: vi.fn(() => peers) }
  const withFallback = createDigestFallback({ storage, privacy, fetcher, counters, log })
  const client = {
    digest: 'digest' in given ? given.digest : digest,
    isDaemon: false,
    gone: new AbortController().signal,
  }
  const context: TarballContext = {
    ...{ name: 'fx', filename: 'fx-1.0.0.tgz', manifest: given.manifest, client },
    download: 'unseen',
  }
  return { peers, found, fetcher, out: withFallback(context, found) }
}

async function read(from: TarballStream): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of from as AsyncIterable<Uint8Array>) parts.push(part)
  return Buffer.concat(parts).toString()
}

test('what Verdaccio has passes through, with its length', async () => {
  const { out, found, fetcher } = world({})
  const length = once(out, 'content-length')
  found.emit('content-length', 5)
  found.end('bytes')
  expect(await length).toEqual([5])
  expect(await read(out)).toBe('bytes')
  expect(fetcher.fromPeers).not.toHaveBeenCalled()
})

test.each<[string, Case]>([
  ['nothing is known of the package', {}],
  ['an uplink has told of the package, but not of this version', { manifest: known() }],
])('peers are asked when %s and no uplink can be reached', async (_, given) => {
  const { out, found, peers } = world(given)
  const reading = read(out)
  found.emit('error', notFound)
  peers.end('from peers')
  expect(await reading).toBe('from peers')
  expect(counters.rescued).toBe(1)
})

describe('peers are not asked', () => {
  test.each<[string, Case, Error]>([
    ['an uplink has answered', { failed: 0 }, notFound],
    ['the client brings no digest', { digest: undefined }, notFound],
    ['a filter has a say in it', { filters: [{}] }, notFound],
    ['the package is private', { isPublic: false }, notFound],
    ['the package is published here', { manifest: { _uplinks: {} } }, notFound],
    ['the metadata has the version', { manifest: known('fx-1.0.0.tgz') }, notFound],
    ['access is refused', {}, Object.assign(new Error('no'), { status: 403 })],
  ])('when %s', async (_, given, error) => {
    const { out, found, fetcher } = world(given)
    const failed = once(out, 'error')
    await Promise.resolve()
    found.emit('error', error)
    expect(((await failed.catch((thrown: unknown) => [thrown])) as unknown[])[0]).toBe(error)
    expect(fetcher.fromPeers).not.toHaveBeenCalled()
  })

  test('when bytes have been sent already', async () => {
    const { out, found, fetcher } = world({})
    found.write('some')
    await once(out, 'data')
    const failed = new Promise((resolve) => out.once('error', resolve))
    found.emit('error', new Error('it broke off'))
    expect(String(await failed)).toContain('it broke off')
    expect(fetcher.fromPeers).not.toHaveBeenCalled()
  })
})

test("no peer has it either: Verdaccio's own words are told", async () => {
  const { out, found, peers } = world({})
  const failed = new Promise((resolve) => out.once('error', resolve))
  found.emit('error', notFound)
  setImmediate(() => setImmediate(() => peers.emit('error', new Error('nobody has it'))))
  expect(await failed).toBe(notFound)
  expect(counters.rescued).toBe(0)
})

function known(file = 'fx-0.9.0.tgz'): object {
  const dist = { tarball: `https://host.example/${file}`, shasum: 'a'.repeat(40) }
  return { _uplinks: { main: {} }, versions: { '0.0.1': { dist } } }
}
