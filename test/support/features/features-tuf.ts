/**
 * What `npm audit signatures` asks before it asks a registry: Sigstore's TUF repository, for keys of the registry's host. It
 * has none for a gateway on localhost, which is when npm turns to /-/npm/v1/keys. Here that repository stands on loopback,
 * signed with a key of its own that npm's cache names as the root of trust; npm itself is untouched.
 * https://theupdateframework.github.io/specification/v1.0.33/
 */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { AddressInfo, Socket } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import { selfSigned } from './features-certificate.ts'
import { repositoryRoot } from '../source-tree.ts'

export interface TufRepository extends AsyncDisposable {
  /** Makes a home folder's npm trust this repository and find it; the variables to run npm with. */
  trustFrom(home: string): Promise<Record<string, string>>
  /** Paths asked for. */
  readonly asked: readonly string[]
}

const EXPIRES = '2100-01-01T00:00:00Z'
const KEY_ID = 'fixture'
const ROLES = ['root', 'timestamp', 'snapshot', 'targets'] as const

/** `targets`: by name, what it vouches for; keys of no host at all unless they are among them. */
export async function startTufRepository(
  targets: Readonly<Record<string, string>> = {},
): Promise<TufRepository> {
  const host = new URL(mirrorUrl()).host
  const files = signedFiles(targets)
  const asked: string[] = []
  const { certificate, key } = selfSigned(host)
  const site = createTlsServer({ cert: certificate, key }, (request, response) => {
    asked.push(request.url ?? '')
    const found = files.get(request.url ?? '')
    response.writeHead(found === undefined ? 404 : 200).end(found)
  })
  const sitePort = await listen(site)
  const sockets = new Set<Socket>()
  const proxy = createServer((_request, response) => void response.writeHead(400).end())
  proxy.on('connect', (request, socket: Socket) => {
    // Nobody else is to be had through this proxy.
    if (request.url !== `${host}:443`) return void socket.destroy()
    const inner = connect(sitePort, '127.0.0.1')
    for (const one of [socket, inner]) {
      sockets.add(one)
      one.on('error', () => one.destroy())
      one.on('close', () => sockets.delete(one))
    }
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    inner.pipe(socket).pipe(inner)
  })
  const proxyPort = await listen(proxy)
  return {
    asked,
    async trustFrom(home) {
      const folder = join(home, 'npm-cache', '_tuf', encodeURIComponent(host))
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, 'root.json'), files.get('/1.root.json') ?? '')
      const authority = join(home, 'authority.pem')
      await writeFile(authority, certificate)
      const url = `http://127.0.0.1:${proxyPort}`
      const proxied = { HTTPS_PROXY: url, https_proxy: url, NODE_EXTRA_CA_CERTS: authority }
      // npm 12 asks with Node's own fetch, which knows of no proxy unless told so.
      return { ...proxied, NODE_USE_ENV_PROXY: '1' }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await Promise.all([close(site), close(proxy)])
    },
  }
}

/** As npm's own library names it. */
function mirrorUrl(): string {
  const npm = join(repositoryRoot, 'test', 'clients', 'node_modules', 'npm-12', 'package.json')
  return (createRequire(npm)('@sigstore/tuf') as { DEFAULT_MIRROR_URL: string }).DEFAULT_MIRROR_URL
}

/** A repository with one key for all roles. */
function signedFiles(targets: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const point = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
  const key = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: point } }
  const role = { keyids: [KEY_ID], threshold: 1 }
  const one = { version: 1 }
  const document = (type: string, fields: object): string =>
    signed(
      { _type: type, spec_version: '1.0.31', version: 1, expires: EXPIRES, ...fields },
      privateKey,
    )
  const root = document('root', {
    consistent_snapshot: true,
    keys: { [KEY_ID]: key },
    roles: Object.fromEntries(ROLES.map((name) => [name, role])),
  })
  const described = Object.entries(targets).map(([name, text]) => {
    const sha256 = createHash('sha256').update(text).digest('hex')
    return { name, text, sha256, info: { length: Buffer.byteLength(text), hashes: { sha256 } } }
  })
  const infos = Object.fromEntries(described.map(({ name, info }) => [name, info]))
  return new Map([
    ...described.map(({ name, text, sha256 }) => [`/targets/${sha256}.${name}`, text] as const),
    ['/1.root.json', root],
    ['/timestamp.json', document('timestamp', { meta: { 'snapshot.json': one } })],
    ['/1.snapshot.json', document('snapshot', { meta: { 'targets.json': one } })],
    ['/1.targets.json', document('targets', { targets: infos })],
  ])
}

function signed(content: object, key: KeyObject): string {
  const sig = sign(null, Buffer.from(canonical(content)), key).toString('hex')
  return JSON.stringify({ signed: content, signatures: [{ keyid: KEY_ID, sig }] })
}

/** Members sorted, no blanks; our strings hold nothing that would need more. */
function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}
