import { createHash } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { digestOf, findDigest, isCatalogError } from '@catalog-p2p/core'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createFakeNode, type FakeNode } from '../../../test/support/fake-node.ts'
import { createCounters, type Counters } from './counters.ts'
import type { DaemonLink } from './daemon-source.ts'
import { createTarballFetcher } from './fetch-tarball.ts'
import type { TarballContext } from './request-context.ts'
import type { UplinkDownload } from './uplink-source.ts'
import type { TarballStream } from './verdaccio.ts'

const bytes = Buffer.from('a tarball that is small')
const large = Buffer.alloc(3 * 1024 * 1024, 'a tarball that is large ')
const integrityOf = (content: Buffer): string =>
  `sha512-${createHash('sha512').update(content).digest('base64')}`
const shasumOf = (content: Buffer): string => createHash('sha1').update(content).digest('hex')

let node: FakeNode
let counters: Counters
let logged: string[]
let isPublic: boolean

beforeEach(() => {
  node = createFakeNode()
  counters = createCounters()
  logged = []
  isPublic = true
})

function manifestOf(dist: object): object {
  const tarball = 'https://host.example/fx/-/fx-1.0.0.tgz'
  return { versions: { '1.0.0': { dist: { tarball, ...dist } } } }
}

function context(dist: object, client?: Partial<TarballContext['client']>): TarballContext {
  const never = new AbortController().signal
  return {
    ...{ name: 'fx', filename: 'fx-1.0.0.tgz', manifest: manifestOf(dist), download: 'unseen' },
    client: client && { digest: undefined, isDaemon: false, gone: never, ...client },
  }
}

/** An uplink's stream that gives these bytes, or fails. */
function uplink(answer: Buffer | Error) {
  return vi.fn((): UplinkDownload => {
    const stream: TarballStream & PassThrough = Object.assign(new PassThrough(), { abort: vi.fn() })
    setImmediate(() => {
      if (answer instanceof Error) return stream.emit('error', answer)
      stream.emit('content-length', String(answer.length))
      return stream.end(answer)
    })
    return { stream, cancel: () => stream.destroy() }
  })
}

function fetcher(daemon?: DaemonLink) {
  const note =
    (level: string) =>
    (event: string, facts: object = {}): void =>
      void logged.push(`${level} ${event} ${JSON.stringify(facts)}`)
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
  const running = {
    node,
    toDigest: findDigest,
    isMismatch: (error: unknown) => isCatalogError(error, 'DIGEST_MISMATCH'),
  }
  const privacy = {
    isPublic: (_: string, from: { isProxied: boolean }) => isPublic && from.isProxied,
    isProxiedPublic: () => isPublic,
    proxiesOf: () => ['main'],
  }
  const localStorage = { getPackageMetadataAsync: () => Promise.resolve(manifestOf({})) }
  return createTarballFetcher(
    { localStorage, privacy, counters, log, node: () => running, daemon, unpublishSync: undefined },
    { silenceMs: 5_000, stallMs: 5_000 },
  )
}

async function read(stream: TarballStream | undefined): Promise<Buffer | Error> {
  if (stream === undefined) throw new Error('no stream')
  const parts: Uint8Array[] = []
  try {
    for await (const part of stream as AsyncIterable<Uint8Array>) parts.push(part)
  } catch (error) {
    return error as Error
  }
  return Buffer.concat(parts)
}

describe.each([
  ['small', bytes],
  ['large', large],
])('a %s public tarball', (_, content) => {
  const right = { integrity: integrityOf(content) }

  test('comes from a peer that has it, without the uplink', async () => {
    node.peerHolds.set(digestOf(content), content)
    const start = uplink(content)
    expect(await read(fetcher().fetch(context(right), 'main', start))).toEqual(content)
    expect(start).not.toHaveBeenCalled()
    expect(counters.tarballs.peer).toEqual({ artifacts: 1, bytes: content.length })
  })

  test('comes from the uplink through the node, which keeps it', async () => {
    const wish = context(right)
    expect(await read(fetcher().fetch(wish, 'main', uplink(content)))).toEqual(content)
    expect(node.stored.get(digestOf(content))?.visibility).toBe('public')
    expect(wish.download).toBe('checked')
    expect(counters.tarballs.uplink.artifacts).toBe(1)
  })

  test('comes from the uplink when the node fails', async () => {
    node.get = () => Promise.reject(new Error('the disk has gone'))
    expect(await read(fetcher().fetch(context(right), 'main', uplink(content)))).toEqual(content)
    expect(counters.fallbacks).toBe(1)
  })

  test('of other bytes from the uplink is an error, kept nowhere', async () => {
    const other = Buffer.from(content)
    other[0] = 0
    const error = await read(fetcher().fetch(context(right), 'main', uplink(other)))
    expect(error).toMatchObject({ status: 502 })
    expect(String(error)).toContain('fx@1.0.0: fx-1.0.0.tgz from uplink does not match the sha512')
    expect(node.stored.size).toBe(0)
    expect(counters.integrityFailures.uplink).toBe(1)
    expect(logged.join()).toMatch(/error tarball.integrity .*fx@1\.0\.0/)
  })

  test('of other bytes from peers comes from the uplink', async () => {
    node.peerHolds.set(digestOf(content), Buffer.from('a lie'))
    expect(await read(fetcher().fetch(context(right), 'main', uplink(content)))).toEqual(content)
    expect(counters.integrityFailures.peer).toBe(0)
  })
})

test("the uplink's own refusal is told as it is, once", async () => {
  const gone = Object.assign(new Error('no such file'), { status: 404 })
  const start = uplink(gone)
  const wish = context({ integrity: integrityOf(bytes) })
  expect(await read(fetcher().fetch(wish, 'main', start))).toBe(gone)
  expect(start).toHaveBeenCalledTimes(1)
})

test('a private tarball never reaches the node, and is checked all the same', async () => {
  isPublic = false
  const wish = context({ integrity: integrityOf(bytes) })
  expect(await read(fetcher().fetch(wish, 'main', uplink(bytes)))).toEqual(bytes)
  const other = uplink(Buffer.from('other bytes'))
  expect(await read(fetcher().fetch(wish, 'main', other))).toBeInstanceOf(Error)
  expect(node.asked).toEqual([])
})

test('what was published over a proxied file is asked of no peer, though its file has gone', async () => {
  const wish = context({ integrity: integrityOf(bytes), shasum: shasumOf(bytes) })
  const sha = 'a'.repeat(40)
  Object.assign(wish.manifest as object, { _distfiles: { 'fx-1.0.0.tgz': { sha } } })
  expect(await read(fetcher().fetch(wish, 'main', uplink(bytes)))).toEqual(bytes)
  expect(node.asked).toEqual([])
})

test('an old one, by its sha1, comes from the uplink only', async () => {
  const wish = context({ shasum: shasumOf(bytes) })
  expect(await read(fetcher().fetch(wish, 'main', uplink(bytes)))).toEqual(bytes)
  const other = uplink(Buffer.from('other bytes'))
  expect(await read(fetcher().fetch(wish, 'main', other))).toMatchObject({ status: 502 })
  expect(node.asked).toEqual([])
})

test('one without a hash is passed on, and marked so that it is not stored', async () => {
  const wish = context({})
  expect(await read(fetcher().fetch(wish, 'main', uplink(bytes)))).toEqual(bytes)
  expect(wish.download).toBe('unverifiable')
  expect(counters.unverifiable).toBe(1)
})

describe('with a daemon', () => {
  function daemon(body: Buffer | Error): DaemonLink {
    const open = async () => {
      if (body instanceof Error) throw body
      const parts = (async function* () {
        yield body
      })()
      return { from: 'daemon' as const, size: body.length, body: parts }
    }
    const source = vi.fn(() => ({ name: 'daemon', open }))
    return { source, state: 'reachable', probe: () => Promise.resolve() }
  }
  const right = { integrity: integrityOf(bytes) }

  test('it is asked first, and its lie is made good by the uplink', async () => {
    expect(await read(fetcher(daemon(bytes)).fetch(context(right), 'main', uplink(bytes)))).toEqual(
      bytes,
    )
    expect(counters.tarballs.daemon.artifacts).toBe(1)
    const liar = daemon(Buffer.from('a lie'))
    expect(await read(fetcher(liar).fetch(context(right), 'main', uplink(bytes)))).toEqual(bytes)
    expect(counters.tarballs.uplink.artifacts).toBe(1)
  })

  test('its failure is nobody`s business', async () => {
    const broken = daemon(new Error('it has gone'))
    expect(await read(fetcher(broken).fetch(context(right), 'main', uplink(bytes)))).toEqual(bytes)
    expect(counters.fallbacks).toBe(1)
  })

  test('it is not asked for what it asks us for', async () => {
    const link = daemon(bytes)
    const wish = context(right, { isDaemon: true })
    expect(await read(fetcher(link).fetch(wish, 'main', uplink(bytes)))).toEqual(bytes)
    expect(link.source).not.toHaveBeenCalled()
  })
})

describe('from peers alone', () => {
  test('by the digest that a client brings', async () => {
    node.peerHolds.set(digestOf(bytes), bytes)
    const stream = fetcher().fromPeers(context({}), integrityOf(bytes))
    expect(await read(stream)).toEqual(bytes)
  })

  test('nobody has it', async () => {
    expect(await read(fetcher().fromPeers(context({}), integrityOf(bytes)))).toBeInstanceOf(Error)
  })

  test('nobody is there to ask', () => {
    expect(fetcher().fromPeers(context({}), 'sha1-nonsense')).toBeUndefined()
  })
})
