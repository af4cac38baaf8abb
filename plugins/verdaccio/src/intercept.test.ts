import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createCounters } from './counters.ts'
import type { TarballFetcher } from './fetch-tarball.ts'
import { intercept, type Seeding } from './intercept.ts'
import { createContexts, type TarballContext } from './request-context.ts'
import type { LocalStorage, TarballStream, VerdaccioStorage } from './verdaccio.ts'

const bytes = Buffer.from('a tarball')
const manifest = {
  versions: {
    '1.0.0': {
      dist: {
        tarball: 'https://host.example/fx-1.0.0.tgz',
        shasum: createHash('sha1').update(bytes).digest('hex'),
      },
    },
  },
}
const silent = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

class FakeUplink {
  readonly upname: string = 'main'
  fetchTarball(...asked: readonly string[]): TarballStream {
    return Object.assign(new PassThrough(), { abort: vi.fn(), asked }).end('from the uplink')
  }
}

class FakeUpload extends PassThrough {
  kept = false
  aborted = false
  abort = (): void => void (this.aborted = true)
  done = (): void => {
    this.kept = true
    this.emit('success')
  }
}

let uploads: FakeUpload[]
let local: LocalStorage
let storage: VerdaccioStorage
let fetched: TarballContext[]
let download: TarballContext['download']
const contexts = createContexts()
const seeding = { stored: vi.fn(), removing: vi.fn<Seeding['removing']>() } satisfies Seeding
const withdraw = vi.fn()
const removals = { fails: undefined as Error | undefined, called: [] as string[] }
const originalFetch = FakeUplink.prototype.fetchTarball
const read = async (stream: TarballStream): Promise<string> => {
  const parts: Uint8Array[] = []
  for await (const part of stream as AsyncIterable<Uint8Array>) parts.push(part)
  return Buffer.concat(parts).toString()
}

beforeEach(() => {
  vi.clearAllMocks()
  uploads = []
  fetched = []
  download = 'checked'
  removals.fails = undefined
  removals.called = []
  FakeUplink.prototype.fetchTarball = originalFetch
  seeding.removing.mockResolvedValue(withdraw)
  local = {
    addTarball: () => {
      const upload = new FakeUpload()
      uploads.push(upload)
      upload.resume()
      return upload
    },
    getTarball: vi.fn(),
    getPackageMetadataAsync: () => Promise.resolve(manifest),
    removeTarball: (name, filename, _revision, callback) => {
      removals.called.push(`${name} ${filename}`)
      callback(removals.fails ?? null)
    },
    removePackage: (name, callback) => {
      removals.called.push(name)
      callback(removals.fails ?? null)
    },
  }
  storage = {
    uplinks: { main: new FakeUplink() },
    localStorage: local,
    // As Verdaccio does it: metadata, the place to store, the uplink.
    getTarball(name, filename) {
      const out = Object.assign(new PassThrough(), { abort: vi.fn() })
      void (async () => {
        await this.localStorage.getPackageMetadataAsync(name)
        const upload = this.localStorage.addTarball(name, filename, { url: 'https://x' })
        const stream = new FakeUplink().fetchTarball('https://x')
        stream.pipe(out)
        stream.pipe(upload)
        stream.on('end', () => upload.done())
      })()
      return out
    },
  }
  const fetcher: TarballFetcher = {
    fetch(context) {
      context.download = download
      fetched.push(context)
      return Object.assign(new PassThrough(), { abort: vi.fn() }).end('from us')
    },
    fromPeers: () => undefined,
  }
  const privacy = { isPublic: () => true, isProxiedPublic: () => true, proxiesOf: () => [] }
  intercept({
    ...{ storage, contexts, fetcher, seeding, privacy, counters: createCounters(), log: silent },
    uplinkPrototype: FakeUplink.prototype,
  })
})

describe('a tarball that Verdaccio is asked for', () => {
  test('is fetched by us, with what Verdaccio knows of it', async () => {
    expect(await read(storage.getTarball('fx', 'fx-1.0.0.tgz'))).toBe('from us')
    expect(fetched).toHaveLength(1)
    expect(fetched[0]).toMatchObject({ name: 'fx', filename: 'fx-1.0.0.tgz', manifest })
    await vi.waitFor(() => expect(uploads[0]?.kept).toBe(true))
    expect(seeding.stored).toHaveBeenCalledWith('fx', 'fx-1.0.0.tgz')
  })

  test.each(['unverifiable', 'unseen'] as const)('is not kept when it is %s', async (what) => {
    download = what
    expect(await read(storage.getTarball('fx', 'fx-1.0.0.tgz'))).toBe('from us')
    await vi.waitFor(() => expect(uploads[0]?.aborted).toBe(true))
    expect(uploads[0]?.kept).toBe(false)
    expect(seeding.stored).not.toHaveBeenCalled()
  })

  test('two at once have their own contexts', async () => {
    await Promise.all([
      read(storage.getTarball('one', 'one-1.0.0.tgz')),
      read(storage.getTarball('two', 'two-1.0.0.tgz')),
    ])
    expect(fetched.map((each) => each.name).sort()).toEqual(['one', 'two'])
  })
})

describe('what comes another way', () => {
  test('is fetched as without us', async () => {
    expect(await read(new FakeUplink().fetchTarball('https://x'))).toBe('from the uplink')
    expect(fetched).toEqual([])
  })

  test.each([
    ['right', bytes, true],
    ['other', Buffer.from('other bytes'), false],
  ])('is kept only with the right bytes: %s', async (_, content, isKept) => {
    const upload = local.addTarball('fx', 'fx-1.0.0.tgz', { url: 'https://x' })
    const failed = vi.fn()
    upload.on('error', failed)
    upload.end(content)
    upload.done()
    await vi.waitFor(() => expect(uploads[0]?.[isKept ? 'kept' : 'aborted']).toBe(true))
    expect(uploads[0]?.kept).toBe(isKept)
    expect(failed).toHaveBeenCalledTimes(isKept ? 0 : 1)
  })

  test('is nobody`s business when it is published here', async () => {
    const upload = local.addTarball('fx', 'fx-1.0.0.tgz')
    upload.end('anything')
    upload.done()
    await once(upload, 'end')
    expect(uploads[0]?.kept).toBe(true)
    expect(seeding.stored).toHaveBeenCalledWith('fx', 'fx-1.0.0.tgz')
  })
})

describe('what is removed', () => {
  const removed = (): Promise<unknown> =>
    new Promise((resolve) => local.removeTarball('fx', 'fx-1.0.0.tgz', '1-x', resolve))

  test('is taken back afterwards', async () => {
    expect(await removed()).toBeNull()
    expect(seeding.removing).toHaveBeenCalledWith('fx', ['fx-1.0.0.tgz'])
    expect(withdraw).toHaveBeenCalledTimes(1)
    await new Promise((resolve) => local.removePackage('fx', resolve))
    expect(seeding.removing).toHaveBeenLastCalledWith('fx', 'all')
    expect(removals.called).toEqual(['fx fx-1.0.0.tgz', 'fx'])
  })

  test('stays offered when Verdaccio could not remove it', async () => {
    removals.fails = new Error('it is locked')
    expect(await removed()).toBe(removals.fails)
    expect(withdraw).not.toHaveBeenCalled()
  })

  test('is removed though we could not look at it', async () => {
    seeding.removing.mockRejectedValue(new Error('unreadable'))
    expect(await removed()).toBeNull()
    expect(removals.called).toHaveLength(1)
  })

  test('tells when removing itself throws', async () => {
    seeding.removing.mockResolvedValue(() => {
      throw new Error('a mistake of ours')
    })
    expect(String(await removed())).toContain('a mistake of ours')
  })
})
