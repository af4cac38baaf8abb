/**
 * A token that writes build results at a daemon of this user, for as long as this process holds on to it: the daemon forgets it with
 * the connection (build-results/run-tokens.ts). Keeps no process alive.
 */
import { RUN_TOKEN_HEADER } from '../build-results/run-tokens.ts'
import { brokenOff, refusal, send, type Question } from './daemon-request.ts'

export interface HeldToken {
  readonly token: string
  /** It is void from now on. */
  end(): void
}

const TIMEOUT_MS = 5_000

/** @param token the daemon's, of its owner. @throws CatalogError DAEMON_FAILED */
export async function holdBuildToken(
  daemon: Required<Pick<Question, 'url' | 'token'>>,
): Promise<HeldToken> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(new Error('no token in time')), TIMEOUT_MS)
  const question = { ...daemon, path: 'build-token', body: {}, signal: late.signal, silenceMs: 0 }
  try {
    const response = await send(question)
    if (response.statusCode !== 200) throw await refusal(question, response)
    // A daemon that stops takes the token with it: build tools only read from then on.
    response.on('error', () => undefined).resume()
    const token = response.headers[RUN_TOKEN_HEADER]
    if (typeof token !== 'string') {
      response.destroy()
      throw brokenOff(question, new Error('no token in the answer'))
    }
    response.socket.unref()
    return { token, end: () => response.destroy() }
  } finally {
    clearTimeout(timer)
  }
}
