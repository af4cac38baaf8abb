/** npm's certfile and keyfile, against a TLS server that gives nothing to who shows no certificate. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseDigest } from '@catalog-p2p/core'
import { selfSigned } from '../../../test/support/features/features-certificate.ts'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../../../test/support/gateway-world.ts'
import { certifiedUrls } from './client-certificates.ts'
import { createDispatcher } from './dispatcher.ts'
import { npmConfigFrom } from './npmrc.ts'
import { createUpstream, discard, type Upstream } from './upstream.ts'

const { signal } = new AbortController()
const fixture = makePackage('fx-behind-tls', '1.0.0')

let folder: string
let server: Server
let url: string
let host: string
/** Path and the name on the certificate of each request, '' for none. */
const seen: string[] = []
let files: { ca: string; cert: string; key: string }

beforeEach(async () => {
  seen.length = 0
  folder = await mkdtemp(join(tmpdir(), 'catalog-tls-'))
  const [own, client] = [selfSigned('localhost'), selfSigned('a-client')]
  files = { ca: join(folder, 'ca'), cert: join(folder, 'cert'), key: join(folder, 'key') }
  await writeFile(files.ca, own.certificate)
  await writeFile(files.cert, client.certificate)
  await writeFile(files.key, client.key)
  const { certificate: cert, key } = own
  const options = { cert, key, ca: client.certificate, requestCert: true }
  server = createServer({ ...options, rejectUnauthorized: false }, (req, res) => {
    const socket = req.socket as TLSSocket
    const name = socket.authorized ? String(socket.getPeerCertificate().subject.CN) : ''
    seen.push(`${req.url ?? ''} ${name}`)
    if (name === '') return void res.writeHead(403).end('{}')
    if (req.url?.endsWith('.tgz') === true) return void res.end(fixture.tarball)
    const { version, integrity, shasum } = fixture
    const dist = { integrity, shasum, tarball: `${url}fx-behind-tls/-/fx-behind-tls-1.0.0.tgz` }
    const versions = { [version]: { name: fixture.name, version, dist } }
    res.end(JSON.stringify({ name: fixture.name, 'dist-tags': { latest: version }, versions }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  host = `localhost:${(server.address() as AddressInfo).port}`
  url = `https://${host}/npm/`
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

const settings = (prefix: string): Record<string, string> => ({
  cafile: files.ca,
  [`${prefix}:certfile`]: files.cert,
  [`${prefix}:keyfile`]: files.key,
})
function client(config: Record<string, string>): Upstream {
  const limits = { connectTimeoutMs: 5_000, maxSockets: 2 }
  const dispatcher = createDispatcher(npmConfigFrom(config), {}, limits)
  return createUpstream({ dispatcher }, { timeoutMs: 5_000, retries: 0, userAgent: 'test' })
}
async function statusOf(config: Record<string, string>, path = 'x'): Promise<number> {
  const upstream = client(config)
  const response = await upstream.request({ url: new URL(path, url), signal })
  discard(response)
  await upstream.close()
  return response.status
}

describe('a client certificate', () => {
  test.each(['//{host}/npm/', '//{host}/npm', '//{host}/', '//{host}'])(
    'of %s is shown to what lies under it',
    async (prefix) => {
      expect(await statusOf(settings(prefix.replace('{host}', host)))).toBe(200)
      expect(seen).toEqual(['/npm/x a-client'])
    },
  )

  test('is not shown beside its path, nor to other hosts', async () => {
    const config = settings(`//${host}/npm/`)
    expect(await statusOf(config, '/npmx/y')).toBe(403)
    expect(await statusOf(settings('//r.invalid/'))).toBe(403)
    expect(seen).toEqual(['/npmx/y ', '/npm/x '])
    const upstream = client(config)
    for (const path of ['x', '/other', 'y']) {
      discard(await upstream.request({ url: new URL(path, url), signal }))
    }
    await upstream.close()
    expect(seen.slice(2)).toEqual(['/npm/x a-client', '/other ', '/npm/y a-client'])
  })

  test('without its key counts as none, and one that is not there is an error', async () => {
    const half = { cafile: files.ca, [`//${host}/:certfile`]: files.cert }
    expect(await statusOf(half)).toBe(403)
    const lost = { ...settings(`//${host}/`), [`//${host}/:keyfile`]: join(folder, 'none') }
    expect(() => client(lost)).toThrow(
      expect.objectContaining({
        code: 'INVALID_OPTIONS',
        message: expect.stringContaining(':keyfile') as string,
      }),
    )
  })

  test('is never meant in clear text', () => {
    const isCertified = certifiedUrls(npmConfigFrom(settings('//r.invalid/npm/')))
    expect(isCertified(new URL('https://r.invalid/npm/'))).toBe(true)
    expect(isCertified(new URL('https://r.invalid/'))).toBe(false)
    expect(isCertified(new URL('http://r.invalid/npm/'))).toBe(false)
  })
})

describe('through the gateway', () => {
  let world: GatewayWorld
  afterEach(() => world[Symbol.asyncDispose]())

  test('packages come, and nothing of them leaves this machine', async () => {
    world = await gatewayWorld({ npmrc: { registry: url, ...settings(`//${host}/npm/`) } })
    expect((await world.http.get('/fx-behind-tls')).status).toBe(200)
    const got = await world.get('/fx-behind-tls/-/fx-behind-tls-1.0.0.tgz')
    expect(got.body.equals(fixture.tarball)).toBe(true)
    expect(seen.every((one) => one.endsWith(' a-client'))).toBe(true)
    const digest = parseDigest(fixture.integrity)
    expect(world.node.entry(digest)?.visibility).toBe('private')
    expect(world.node.asked.filter(({ peers }) => peers)).toEqual([])
    // It would act for the daemon's user, whoever asks.
    seen.length = 0
    expect((await world.http.put('/fx-behind-tls').send({})).status).toBe(403)
    expect(seen).toEqual(['/npm/fx-behind-tls '])
  })
})
