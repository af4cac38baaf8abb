/**
 * Whether the daemon reaches the registry behind it, asked through the daemon itself, because it knows the proxy, the
 * certificates and the credentials. Any answer of the registry will do. Not with fetch: every daemon asks, and would hold Node's
 * own undici in memory from then on.
 */
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'

export interface UpstreamAnswer {
  readonly ms: number
  /** undefined: it answered. */
  readonly problem: string | undefined
}

const TIMEOUT_MS = 15_000
/** Small, and passed on rather than answered from a cache; a registry says 401 to who is nobody. */
const PATH = '-/whoami'

export async function askUpstream(gatewayUrl: string): Promise<UpstreamAnswer> {
  const startMs = performance.now()
  const answer = (problem: string | undefined): UpstreamAnswer => ({
    ms: performance.now() - startMs,
    problem,
  })
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const url = new URL(PATH, gatewayUrl)
      get(url, { signal, agent: false }, resolve).once('error', reject)
    })
    const { statusCode = 0 } = response
    const said = await text(response)
    return answer(isOurs(statusCode) ? wordsOf(said, statusCode) : undefined)
  } catch (error) {
    if (signal.aborted) return answer(`no answer within ${TIMEOUT_MS / 1000} s`)
    return answer(error instanceof Error ? error.message : String(error))
  }
}

/** What the gateway answers when it could not ask. */
function isOurs(status: number): boolean {
  return status >= 502 && status <= 504
}

function wordsOf(text: string, status: number): string {
  try {
    const body = JSON.parse(text) as { error?: unknown }
    if (typeof body.error === 'string') return body.error
  } catch {
    return `HTTP ${status}` // not our JSON, so a proxy in between
  }
  return `HTTP ${status}`
}
