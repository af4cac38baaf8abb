/**
 * A catalog daemon on this machine as a source, over HTTP. After a failure the plugin backs off, so that a daemon that is down or
 * hangs costs an install one deadline, not one per request.
 */
import { get, type IncomingMessage } from 'node:http'
import { get as getSecure } from 'node:https'
import type { Logger } from '@catalog-p2p/core'
import type { OpenTarball, Source, TarballRequest } from './tarball-request.ts'

export interface DaemonLink {
  /** undefined during the back-off. */
  source(request: TarballRequest, digest: string): Source | undefined
  /** `unknown` before the first answer or failure. */
  readonly state: 'unknown' | 'reachable' | 'unreachable'
  /** Logs whether the daemon answers; never rejects. */
  probe(options: { signal: AbortSignal }): Promise<void>
}

export interface DaemonOptions {
  readonly url: string
  /** Until the head of its answer. */
  readonly timeoutMs: number
  /** Longest silence within a body; in as much time of waiting MIN_BYTES must arrive. */
  readonly silenceMs: number
}

/**
 * A trickle of bytes is not silence, but would keep a client waiting forever. The gateway and the plugins of Yarn and pnpm have
 * the same rule each for themselves: they share no code with this plugin.
 */
const MIN_BYTES = 4 * 1024

const BACK_OFF_MS = 30_000

export function createDaemonLink(log: Logger, options: DaemonOptions): DaemonLink {
  const base = options.url.endsWith('/') ? options.url : `${options.url}/`
  let backOffUntilMs = 0
  let state: DaemonLink['state'] = 'unknown'

  function markReachable(): void {
    if (state === 'unreachable') log.info('daemon.back', { url: base })
    state = 'reachable'
  }

  function markUnreachable(error: unknown): void {
    backOffUntilMs = performance.now() + BACK_OFF_MS
    if (state !== 'unreachable') {
      const next = 'start one with `catalog start`, or use mode: node; uplinks are used meanwhile'
      log.warn('daemon.unreachable', { url: base, error, next })
    }
    state = 'unreachable'
  }

  async function ask(path: string, headers: Record<string, string>, signal: AbortSignal) {
    try {
      const answer = await send(new URL(path, base), { headers, signal, ...options })
      markReachable()
      return answer
    } catch (error) {
      signal.throwIfAborted()
      markUnreachable(error)
      throw error
    }
  }

  return {
    get state() {
      return state
    },
    source({ name, filename }, digest) {
      if (performance.now() < backOffUntilMs) return undefined
      return {
        name: 'daemon',
        async open({ signal }): Promise<OpenTarball> {
          const path = `${name.replace('/', '%2f')}/-/${encodeURIComponent(filename)}`
          const headers = { 'pacote-integrity': digest, accept: 'application/octet-stream, */*' }
          const answer = await ask(path, headers, signal)
          if (answer.statusCode !== 200) {
            answer.resume()
            throw new Error(`the daemon answered ${answer.statusCode}`)
          }
          const length = answer.headers['content-length']
          return {
            from: 'daemon',
            size: length === undefined ? undefined : Number(length),
            body: requirePace(answer as AsyncIterable<Buffer>, options.silenceMs),
          }
        },
      }
    },
    async probe({ signal }) {
      try {
        const answer = await ask('-/catalog/health', { accept: 'application/json' }, signal)
        answer.resume()
        log.info('daemon.found', { url: base, status: answer.statusCode })
      } catch {
        // ask has logged it, unless the plugin is shutting down.
      }
    },
  }
}

/** Counts only the time spent waiting for the daemon: a slow reader is not its fault. */
async function* requirePace(
  body: AsyncIterable<Buffer>,
  silenceMs: number,
): AsyncGenerator<Buffer> {
  let waitedMs = 0
  let received = 0
  let askedAtMs = performance.now()
  let isSlow = false
  for await (const piece of body) {
    // Thrown only when another piece arrives: the slow one may have been the last.
    if (isSlow) {
      throw new Error(`less than ${MIN_BYTES} bytes came from the daemon in ${silenceMs} ms`)
    }
    waitedMs += performance.now() - askedAtMs
    received += piece.byteLength
    if (waitedMs >= silenceMs) {
      isSlow = received < MIN_BYTES
      waitedMs = 0
      received = 0
    }
    yield piece
    askedAtMs = performance.now()
  }
}

function send(
  url: URL,
  options: DaemonOptions & { headers: Record<string, string>; signal: AbortSignal },
): Promise<IncomingMessage> {
  const { headers, signal, timeoutMs, silenceMs } = options
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? getSecure : get
    const req = request(url, { headers, signal }, (answer) => {
      clearTimeout(deadline)
      // A reader of the body gets its errors; without a reader they must not end the process.
      answer.on('error', () => undefined)
      resolve(answer)
    })
    const deadline = setTimeout(() => {
      req.destroy(new Error(`no answer from the daemon within ${timeoutMs} ms`))
    }, timeoutMs)
    req.setTimeout(silenceMs, () => {
      req.destroy(new Error(`the daemon sent nothing for ${silenceMs} ms`))
    })
    req.on('error', (error) => {
      clearTimeout(deadline)
      reject(error)
    })
  })
}
