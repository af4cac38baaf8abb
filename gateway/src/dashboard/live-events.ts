/**
 * Server-sent events for the dashboard (https://html.spec.whatwg.org/multipage/server-sent-events.html): the state of the
 * gateway by sections, each sent when it has changed, at most twice a second. Nothing is computed while nobody looks. What a
 * listener may see is decided when it comes (viewer.ts), and one that does not read is left out until it does.
 */
import type { ServerResponse } from 'node:http'
import { CatalogError } from '@catalog-p2p/core'
import type { Viewer } from '../admin/viewer.ts'
import type { Exchange } from '../http/exchange.ts'
import type { Snapshot } from './snapshot.ts'

/** What there is to see, by the name of the event. Called while somebody looks. */
export type Sections = (viewer: Viewer) => Snapshot

interface Listener {
  readonly res: ServerResponse
  readonly viewer: Viewer
  /** What was sent last, by section. */
  readonly sent: Map<string, string>
  silentTicks: number
}

const TICK_MS = 500
/** A comment after so many ticks of silence shows both ends that the other is there. */
const HEARTBEAT_TICKS = 30
const MAX_LISTENERS = 24

export class LiveEvents {
  readonly #sections: Sections
  readonly #listeners = new Set<Listener>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(sections: Sections) {
    this.#sections = sections
  }

  get listeners(): number {
    return this.#listeners.size
  }

  /** Answers until the client goes or `close`. @throws CatalogError INVALID_OPTIONS with status 405 or 503 */
  listen({ req, res }: Exchange, viewer: Viewer): void {
    if (req.method !== 'GET') {
      throw new CatalogError('INVALID_OPTIONS', 'only GET here', { status: 405 })
    }
    if (this.#isClosed || this.#listeners.size >= MAX_LISTENERS) {
      throw new CatalogError('INVALID_OPTIONS', 'too many dashboards are open', {
        ...{ status: 503, retryAfter: '5', hint: 'close some of them' },
      })
    }
    res.setHeader('content-type', 'text/event-stream; charset=utf-8')
    res.setHeader('cache-control', 'no-store')
    res.flushHeaders()
    const listener: Listener = { res, viewer, sent: new Map(), silentTicks: 0 }
    this.#listeners.add(listener)
    res.once('close', () => this.#drop(listener))
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
    this.#send(listener, textsOf(this.#sections(viewer)))
  }

  /** Ends all of them: a gateway that stops does not wait for pages that look on. */
  close(): void {
    this.#isClosed = true
    for (const listener of [...this.#listeners]) {
      listener.res.end()
      this.#drop(listener)
    }
  }

  #tick(): void {
    const texts = new Map<Viewer, ReadonlyMap<string, string>>()
    for (const listener of this.#listeners) {
      if (listener.res.writableNeedDrain) continue
      const { viewer } = listener
      const known = texts.get(viewer) ?? textsOf(this.#sections(viewer))
      texts.set(viewer, known)
      this.#send(listener, known)
    }
  }

  #send(listener: Listener, texts: ReadonlyMap<string, string>): void {
    let message = ''
    for (const [name, text] of texts) {
      if (listener.sent.get(name) === text) continue
      listener.sent.set(name, text)
      message += `event: ${name}\ndata: ${text}\n\n`
    }
    listener.silentTicks = message === '' ? listener.silentTicks + 1 : 0
    if (listener.silentTicks >= HEARTBEAT_TICKS) {
      listener.silentTicks = 0
      message = ':\n\n'
    }
    if (message !== '') listener.res.write(message)
  }

  #drop(listener: Listener): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** JSON has no line break outside of strings, and escapes those inside. */
function textsOf(sections: Snapshot): ReadonlyMap<string, string> {
  return new Map(Object.entries(sections).map(([name, value]) => [name, JSON.stringify(value)]))
}
