/**
 * One request through the gateway to the registry before a client is redirected; if it fails, the client is not redirected.
 * This catches a gateway whose credentials, certificate authorities or proxies differ from the client's. Never throws.
 */
import { UPSTREAM_VIEW } from '../../http/request-target.ts'
import type { ExecGateway } from './exec-gateway.ts'

export interface Probe {
  /** Why the registry can't be used through the gateway. */
  readonly problem?: string
  /** The URL of a tarball, as the registry's metadata has it. */
  readonly tarball?: string
}

const TIMEOUT_MS = 15_000
const MAX_LENGTH = 32 * 1024 * 1024
const ACCEPT = { accept: 'application/vnd.npm.install-v1+json' }

/** @param names of packages in the registry: the first that exists decides; without any, the registry is pinged */
export async function probeRegistry(
  gateway: ExecGateway,
  names: readonly string[],
  options: {
    readonly needsTarballUrl: boolean
    readonly signal: AbortSignal
    /** Of each question. */
    readonly headers: Readonly<Record<string, string>>
  },
): Promise<Probe> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(TIMEOUT_MS)])
  const { headers, needsTarballUrl: needsBody } = options
  try {
    if (names.length === 0) return await ping(gateway, { signal, headers })
    let status = 0
    for (const name of names) {
      const found = await ask(gateway, { name, signal, needsBody, headers })
      if (found.status === 200) return found
      status = found.status
      if (status !== 404) break
    }
    return failed(gateway, `it answered ${status} for ${names[0] ?? ''}`)
  } catch (error) {
    return failed(gateway, String(error))
  }
}

/** Weaker than asking for a package: many registries answer a ping without credentials, and some do not know it. */
async function ping(
  gateway: ExecGateway,
  how: Pick<Question, 'signal' | 'headers'>,
): Promise<Probe> {
  const failures = async (): Promise<number> => (await gateway.status()).gateway.upstreamFailures
  const before = await failures()
  const { request } = await import('undici')
  const { statusCode, body } = await request(new URL('-/ping', gateway.url), how)
  await body.dump()
  if (statusCode === 401 || statusCode === 403 || statusCode >= 500) {
    return failed(gateway, `it answered ${statusCode} when it was asked whether it is there`)
  }
  // A gateway answers a ping by itself when its registry does not: its counter of failures tells.
  return (await failures()) === before ? {} : failed(gateway, "it can't be reached")
}

interface Question {
  readonly name: string
  readonly signal: AbortSignal
  readonly needsBody: boolean
  readonly headers: Readonly<Record<string, string>>
}

async function ask(
  { url }: ExecGateway,
  { name, signal, needsBody, headers }: Question,
): Promise<Probe & { readonly status: number }> {
  const place = needsBody ? `${url.replace(/\/$/, '')}${UPSTREAM_VIEW}/` : url
  const method = needsBody ? 'GET' : 'HEAD'
  const { request } = await import('undici')
  const response = await request(new URL(name, place), {
    ...{ method, signal },
    headers: { ...ACCEPT, ...headers },
  })
  const status = response.statusCode
  let text = ''
  for await (const part of response.body.setEncoding('utf8') as AsyncIterable<string>) {
    text += part
    if (text.length > MAX_LENGTH) throw new Error(`the metadata of ${name} is too long`)
  }
  const tarball = /"tarball":\s*"([^"]+)"/.exec(text)?.[1]
  return { status, ...(tarball !== undefined && { tarball }) }
}

function failed(gateway: ExecGateway, why: string): Probe {
  return {
    problem: `its registry can't be used through the gateway: ${gateway.failure?.() ?? why}`,
  }
}
