/**
 * The least that a cache in front of a registry can be, as a ceiling: HTTP in front and behind, the sha512 of each tarball checked
 * before its end goes out, and a file of it. It knows no peers, names, rights or rules, keeps no index, and survives no failure.
 */
import { createHash, hash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import * as http from 'node:http'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { answerCalls, cpuMs } from './child.ts'

/** As the gateway: up to here a tarball is sent when all of it is there. */
const SMALL_BYTES = 1024 * 1024
/** Of each of two kinds: together as many as the gateway has. */
const MAX_SOCKETS = 32
/** Of a request for a document, which decide what is sent. */
const ASKED_AS = ['accept', 'accept-encoding'] as const

const server = createServer({ keepAliveTimeout: 60_000 })

/** @param upstream with no slash at its end */
function start({ upstream, folder }: { upstream: string; folder: string }): Promise<number> {
  const { Agent, request: open } = upstream.startsWith('https:') ? https : http
  const connections = { keepAlive: true, maxSockets: MAX_SOCKETS }
  const agent = new Agent(connections)
  // Tarballs that wait for these must not hold all connections.
  const documents = new Agent(connections)
  let files = 0

  function ask(path: string, options: http.RequestOptions = { agent }): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      open(upstream + path, options, resolve)
        .on('error', reject)
        .end()
    })
  }

  function pass({ method, url = '/', headers }: IncomingMessage): Promise<IncomingMessage> {
    const same = ASKED_AS.flatMap((name) => (headers[name] ? [[name, headers[name]]] : []))
    return ask(url, { agent: documents, method, headers: Object.fromEntries(same) })
  }

  /** Of the version's own document. */
  async function integrityOf(path: string): Promise<string> {
    const [name = '', file = ''] = path.slice(1).split('/-/')
    const version = file.slice(name.slice(name.indexOf('/') + 1).length + 1, -'.tgz'.length)
    const body = await readAll(
      await ask(`/${name.replace('/', '%2f')}/${version}`, { agent: documents }),
    )
    const { dist } = JSON.parse(body.toString()) as { dist: { integrity: string } }
    return dist.integrity
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/'
    if (!path.endsWith('.tgz')) return relay(await pass(request), response)
    const given = request.headers['pacote-integrity']
    const asking = typeof given === 'string' ? Promise.resolve(given) : integrityOf(path)
    const tarball = await ask(path)
    asking.catch(() => undefined) // awaited below, where the tarball is there
    if (tarball.statusCode !== 200) return relay(tarball, response)
    const size = Number(tarball.headers['content-length'])
    const file = join(folder, String((files += 1)))
    response.setHeader('content-length', size)
    if (size > SMALL_BYTES) return await passOn(tarball, { response, asking, file })
    const bytes = await readAll(tarball)
    if (`sha512-${hash('sha512', bytes, 'base64')}` !== (await asking))
      throw new Error('other bytes')
    response.end(bytes)
    await writeFile(file, bytes)
  }

  server.on('request', (request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  return new Promise((resolve, reject) => {
    mkdir(folder, { recursive: true }).then(() => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
    }, reject)
  })
}

/** As it is: documents of the registry name the registry. */
function relay(answer: IncomingMessage, response: ServerResponse): void {
  response.writeHead(answer.statusCode ?? 0, answer.headers)
  answer.pipe(response)
}

/** As it comes, but for the last piece. */
async function passOn(
  tarball: IncomingMessage,
  to: { response: ServerResponse; asking: Promise<string>; file: string },
): Promise<void> {
  const sha512 = createHash('sha512')
  const file = createWriteStream(to.file)
  let held: Buffer | undefined
  for await (const chunk of tarball as AsyncIterable<Buffer>) {
    sha512.update(chunk)
    file.write(chunk)
    if (held !== undefined) to.response.write(held)
    held = chunk
  }
  file.end()
  if (`sha512-${sha512.digest('base64')}` !== (await to.asking)) throw new Error('other bytes')
  to.response.end(held)
}

function readAll(message: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    message.on('data', (chunk: Buffer) => chunks.push(chunk))
    message.on('end', () => resolve(Buffer.concat(chunks)))
    message.on('error', reject)
  })
}

answerCalls({ start, cpu: () => cpuMs() }, () => {
  server.closeAllConnections()
  return Promise.resolve()
})
