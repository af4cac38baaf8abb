/**
 * A registry on loopback over corpora, as fast as Node serves it: packuments and version documents made from the list, tarballs
 * from memory. It counts what it is asked and what it sends.
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import * as http from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import { importableSigner } from '../../test/support/signed-swarm.ts'
import type { SelfSigned } from '../../test/support/features/features-certificate.ts'
import type { RegistrySigner } from '../../test/support/features/features-signatures.ts'
import { answerCalls, cpuMs } from './child.ts'
import type { Corpus, CorpusFile } from './corpus.ts'

/** How far away the registry seems. */
export interface Distance {
  /** By which the head of each answer is delayed. */
  readonly delayMs: number
  /** Shared by all answers; 0: no limit. */
  readonly bytesPerSecond: number
}

/** What it is asked for: `other` has no place here. */
export type Kind = 'tarball' | 'version' | 'packument' | 'other'

/** Since the last time it was asked for. */
export interface Sent {
  readonly requests: number
  readonly bytes: number
  /** By kind: how often it was asked, for how many different things. */
  readonly kinds: Readonly<Record<Kind, { readonly asked: number; readonly different: number }>>
}

let server: Server | undefined
let distance: Distance = { delayMs: 0, bytesPerSecond: 0 }
let lineFreeAtMs = 0
const sent = { requests: 0, bytes: 0 }
/** How often each place was asked for, by kind. */
const asked: Record<Kind, Map<string, number>> = {
  ...{ tarball: new Map(), version: new Map(), packument: new Map(), other: new Map() },
}

const PIECE = 64 * 1024
const LONG_AGO = '2020-02-02T02:02:02.000Z'

async function sendOverLine(response: ServerResponse, bytes: Buffer): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength && !response.destroyed; offset += PIECE) {
    const piece = bytes.subarray(offset, offset + PIECE)
    const nowMs = performance.now()
    lineFreeAtMs =
      Math.max(lineFreeAtMs, nowMs) + (piece.byteLength / distance.bytesPerSecond) * 1000
    if (lineFreeAtMs - nowMs > 2) await sleep(lineFreeAtMs - nowMs)
    response.write(piece)
    sent.bytes += piece.byteLength
  }
  response.end()
}

async function start(options: {
  corpora: readonly Corpus[]
  distance?: Distance | undefined
  /** Versions that a packument has beside those of the corpora. */
  oldVersions?: number | undefined
  /** Packuments say when versions came out: years ago. */
  hasTimes?: boolean | undefined
  /** It signs all versions, with a key of its own. */
  isSigned?: boolean | undefined
  /** Where it listens for other machines as well. */
  openPort?: number | undefined
  /** It speaks TLS. */
  tls?: SelfSigned | undefined
}): Promise<{ port: number; key: object | undefined }> {
  if (options.distance) distance = options.distance
  const tarballs = new Map<string, Buffer>()
  const versions = new Map<string, CorpusFile[]>()
  const documents = new Map<string, Buffer>()
  const { tls } = options
  const scheme = tls === undefined ? 'http' : 'https'
  const origin = (): string => `${scheme}://127.0.0.1:${(server?.address() as AddressInfo).port}`
  const send = async (response: ServerResponse, bytes: Buffer): Promise<void> => {
    if (distance.bytesPerSecond > 0) return await sendOverLine(response, bytes)
    sent.bytes += bytes.byteLength
    response.end(bytes)
  }
  const all = options.corpora.flatMap(({ folder, files }) =>
    files.map((file) => ({ folder, file })),
  )
  for (const { folder, file } of all) {
    tarballs.set(`/${file.path}`, await readFile(join(folder, 'tarballs', file.path)))
    versions.set(file.name, [...(versions.get(file.name) ?? []), file])
  }
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    sent.requests += 1
    void (async () => {
      if (distance.delayMs > 0) await sleep(distance.delayMs)
      const path = decodeURIComponent(request.url ?? '/')
      const tarball = tarballs.get(path)
      count(path, { isTarball: tarball !== undefined, isDocument: documents.has(path) })
      if (tarball !== undefined) {
        response.writeHead(200, {
          'content-type': 'application/octet-stream',
          'content-length': tarball.byteLength,
        })
        return await send(response, tarball)
      }
      const document = documents.get(path)
      if (document === undefined) {
        response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
        return
      }
      const isPacked = /gzip/.test(String(request.headers['accept-encoding']))
      response.writeHead(200, {
        'content-type': 'application/json',
        ...(isPacked && { 'content-encoding': 'gzip' }),
        // pnpm needs no more of a package that is old enough.
        ...(options.hasTimes === true && { 'last-modified': new Date(LONG_AGO).toUTCString() }),
      })
      if (request.method === 'HEAD') return void response.end()
      await send(response, isPacked ? document : gunzipSync(document))
    })()
  }
  const kept = { keepAliveTimeout: 60_000 }
  server =
    tls === undefined
      ? http.createServer(kept, answer)
      : https.createServer({ ...kept, cert: tls.certificate, key: tls.key }, answer)
  const { openPort } = options
  const listening = openPort === undefined ? { port: 0, host: '127.0.0.1' } : { port: openPort }
  await new Promise<void>((resolve) => server?.listen(listening, resolve))
  const signer = options.isSigned === true ? importableSigner() : undefined
  for (const [name, files] of versions) {
    const old = Array.from({ length: options.oldVersions ?? 0 }, (_, index) =>
      oldVersion(name, index),
    )
    const document = packument(origin(), name, [...files, ...old], {
      hasTimes: options.hasTimes,
      signer,
    })
    documents.set(`/${name}`, packed(document))
    for (const { version } of files) {
      documents.set(`/${name}/${version}`, packed(document.versions[version]))
    }
  }
  return { port: (server.address() as AddressInfo).port, key: signer?.key }
}

function packed(document: unknown): Buffer {
  return gzipSync(JSON.stringify(document), { level: 1 })
}

/** Its hash is as good as any: nobody asks for its bytes. */
function oldVersion(name: string, index: number): CorpusFile {
  const version = `0.0.0-old.${index}`
  const integrity = `sha512-${randomBytes(64).toString('base64')}`
  return { name, version, path: `${name}/-/${name}-${version}.tgz`, bytes: 0, integrity }
}

interface Packument {
  readonly name: string
  readonly 'dist-tags': unknown
  readonly versions: Readonly<Record<string, unknown>>
  readonly time: unknown
}

function packument(
  origin: string,
  name: string,
  files: readonly CorpusFile[],
  how: { readonly hasTimes: boolean | undefined; readonly signer: RegistrySigner | undefined },
): Packument {
  const { hasTimes = false, signer } = how
  const entries = files.map(({ version, path, integrity, dependencies = {} }) => {
    const sig = signer?.sign(Buffer.from(`${name}@${version}:${integrity}`))
    const signatures = signer === undefined ? {} : { signatures: [{ keyid: signer.keyid, sig }] }
    const dist = { tarball: `${origin}/${path}`, integrity, ...signatures }
    return [version, { name, version, dependencies, dist }] as const
  })
  return {
    name,
    'dist-tags': { latest: entries[0]?.[0] },
    versions: Object.fromEntries(entries),
    time: hasTimes ? Object.fromEntries(files.map(({ version }) => [version, LONG_AGO])) : {},
  }
}

function count(path: string, what: { isTarball: boolean; isDocument: boolean }): void {
  const isVersion = /^\/(?:@[^/]+\/)?[^/]+\/[^/]+$/.test(path)
  const document = isVersion ? 'version' : 'packument'
  const of = asked[what.isTarball ? 'tarball' : what.isDocument ? document : 'other']
  of.set(path, (of.get(path) ?? 0) + 1)
}

/** What it was asked and has sent since the last time. */
function takeSent(): Sent {
  const counted = (kind: Kind): Sent['kinds'][Kind] => {
    const times = [...asked[kind].values()]
    asked[kind].clear()
    return { asked: times.reduce((sum, each) => sum + each, 0), different: times.length }
  }
  const taken = {
    ...sent,
    kinds: {
      ...{ tarball: counted('tarball'), version: counted('version') },
      ...{ packument: counted('packument'), other: counted('other') },
    },
  }
  Object.assign(sent, { requests: 0, bytes: 0 })
  return taken
}

answerCalls({ start, takeSent, cpu: () => cpuMs() }, async () => void server?.closeAllConnections())
