/**
 * A catalog daemon on this machine as a source, over HTTP. A daemon that is away or hangs is left alone for a while, so that
 * it costs one request its deadline and not every one of an install.
 */
import { get, type IncomingMessage } from 'node:http'
import { get as getSecure } from 'node:https'
import type { Logger } from '@catalog-p2p/core'
import type { OpenTarball, Source, TarballRequest } from './tarball-request.ts'

export interface DaemonLink {
  /** undefined while the daemon is left alone. */
  source(request: TarballRequest, digest: string): Source | undefined
  /** Not known before it has been asked. */
  readonly state: 'unknown' | 'reachable' | 'unreachable'
  /** Asks whether it is there, for the log; never rejects. */
  probe(options: { signal: AbortSignal }): Promise<void>
}

export interface DaemonOptions {
  readonly url: string
  /** To the head of its answer. */
  readonly timeoutMs: number
  /** Between pieces of its body; in as much waiting there must come MIN_BYTES. */
  readonly silenceMs: number
}

/**
 * A byte now and then is not silence, and would keep a client waiting without end. Whoever reads from a daemon or a registry
 * has this rule, each for itself: the core speaks no HTTP, this plugin knows no gateway, and those of Yarn and pnpm are one file.
 */
const MIN_BYTES = 4 * 1024

const LEFT_ALONE_MS = 30_000

export function createDaemonLink(log: Logger, options: DaemonOptions): DaemonLink {
  const base = options.url.endsWith('/') ? options.url : `${options.url}/`
  let downUntilMs = 0
  let state: DaemonLink['state'] = 'unknown'

  function isBack(): void {
    if (state === 'unreachable') log.info('daemon.back', { url: base })
    state = 'reachable'
  }

  function isDown(error: unknown): void {
    downUntilMs = performance.now() + LEFT_ALONE_MS
    if (state !== 'unreachable') {
      const next = 'start one with `catalog start`, or use mode: node; uplinks are used meanwhile'
      log.warn('daemon.unreachable', { url: base, error, next })
    }
    state = 'unreachable'
  }

  async function ask(path: string, headers: Record<string, string>, signal: AbortSignal) {
    try {
      const answer = await send(new URL(path, base), { headers, signal, ...options })
      isBack()
      return answer
    } catch (error) {
      signal.throwIfAborted()
      isDown(error)
      throw error
    }
  }

  return {
    get state() {
      return state
    },
    source({ name, filename }, digest) {
      if (performance.now() < downUntilMs) return undefined
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
            body: atPace(answer as AsyncIterable<Buffer>, options.silenceMs),
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
        // Said by ask already, or nobody wants to know any more.
      }
    },
  }
}

/** Counts only the time that is spent waiting for the daemon: a slow reader is not its fault. */
async function* atPace(body: AsyncIterable<Buffer>, silenceMs: number): AsyncGenerator<Buffer> {
  let waitedMs = 0
  let received = 0
  let askedAtMs = performance.now()
  let isSlow = false
  for await (const piece of body) {
    // Only now: it might have been the last one.
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
      // Errors of the body reach who reads it; nobody may be reading.
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
