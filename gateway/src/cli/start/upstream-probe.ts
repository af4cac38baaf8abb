/**
 * Whether the daemon reaches the registry behind it, asked through the daemon itself, because it knows the proxy, the
 * certificates and the credentials. Any answer of the registry will do.
 */

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
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const response = await fetch(new URL(PATH, gatewayUrl), { signal })
    const text = await response.text()
    return answer(isOurs(response.status) ? wordsOf(text, response.status) : undefined)
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError') {
      return answer(`no answer within ${TIMEOUT_MS / 1000} s`)
    }
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
