/**
 * A package manager's requests without its work: metadata level by level through the dependency tree, an audit if there is one,
 * then the tarballs, a fixed number at a time. Checks each sha512.
 */
import { createHash } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import { gzipSync } from 'node:zlib'
import { answerCalls } from './child.ts'
import { forEachConcurrently } from './concurrently.ts'
import type { CorpusFile } from './corpus.ts'

export interface InstallResult {
  readonly metadataSeconds: number
  readonly tarballSeconds: number
  readonly seconds: number
}

interface InstallOptions {
  readonly port: number
  /** Names per level of the tree, roots first; the metadata of a level is requested together. */
  readonly levels: readonly (readonly string[])[]
  readonly files: readonly CorpusFile[]
  readonly concurrency: number
  readonly sendIntegrity: boolean
  /** Sent once the metadata is there: npm's audit, or a plugin's list. */
  readonly hints?: 'audit' | 'list' | undefined
  /** What it names, in this order. */
  readonly hinted: readonly { readonly name: string; readonly version: string }[]
}

const NPM = 'npm/11.0.0 node/v24.0.0 linux x64 workspaces/false'

async function install(options: InstallOptions): Promise<InstallResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.concurrency })
  const ask = (
    path: string,
    how: { method?: string; headers?: Record<string, string>; body?: Buffer } = {},
  ): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const { method = 'GET', body } = how
      const headers = { 'user-agent': NPM, 'accept-encoding': 'gzip', ...how.headers }
      const target = { host: '127.0.0.1', port: options.port, path, agent, method, headers }
      const req = httpRequest(target, (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () => {
          if ((response.statusCode ?? 0) < 300 || method === 'POST') resolve(Buffer.concat(parts))
          else reject(new Error(`${path}: ${response.statusCode ?? 0}`))
        })
      })
      req.on('error', reject)
      req.end(body)
    })

  const startedMs = performance.now()
  for (const names of options.levels) {
    await forEachConcurrently(names, options.concurrency, (name) =>
      ask(`/${name.replace('/', '%2f')}`),
    )
  }
  const resolvedMs = performance.now()
  // Neither client nor plugin waits for the answer.
  const hinting = sendHints(options, ask)
  await forEachConcurrently(options.files, options.concurrency, async (file) => {
    const headers = options.sendIntegrity ? { 'pacote-integrity': file.integrity } : {}
    const bytes = await ask(`/${file.path}`, { headers })
    const got = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
    if (got !== file.integrity) throw new Error(`${file.path} has a wrong hash`)
  })
  const endedMs = performance.now()
  await hinting
  agent.destroy()
  return {
    metadataSeconds: (resolvedMs - startedMs) / 1000,
    tarballSeconds: (endedMs - resolvedMs) / 1000,
    seconds: (endedMs - startedMs) / 1000,
  }
}

async function sendHints(
  { hints, hinted }: InstallOptions,
  ask: (
    path: string,
    how: { method: string; headers: Record<string, string>; body: Buffer },
  ) => Promise<unknown>,
): Promise<void> {
  if (hints === undefined) return
  if (hints === 'list') {
    const body = Buffer.from(JSON.stringify({ packages: hinted }))
    const headers = { 'content-type': 'application/json', 'x-catalog-client': 'bench' }
    await ask('/-/catalog/hints', { method: 'POST', headers, body })
    return
  }
  const named = Map.groupBy(hinted, ({ name }) => name)
  const versions = [...named].map(([name, all]) => [name, all.map(({ version }) => version)])
  const body = gzipSync(JSON.stringify(Object.fromEntries(versions)))
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  await ask('/-/npm/v1/security/advisories/bulk', { method: 'POST', headers, body })
}

answerCalls({ install }, () => Promise.resolve())
