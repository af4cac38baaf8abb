/**
 * The connection to the gateway: server-sent events, read with fetch, as EventSource cannot send the token. It is open while the
 * page is seen, and comes again by itself. Keeps the newest of every section; draws nothing.
 */
import type { Snapshot } from '../snapshot.ts'
import { setServerTime } from './clock.ts'

export type Connection = 'connecting' | 'live' | 'lost'

export interface LiveView {
  readonly connection: Connection
  /** Why it is lost, in the gateway's own words. */
  readonly reason: string | undefined
  readonly sections: Partial<Snapshot>
}

const TOKEN_KEY = 'catalog-token'
const RETRY_MS = [500, 1000, 2000, 5000] as const
/** Without a word for so long (the gateway says one every 15 s) the connection is dead. */
const SILENCE_MS = 40_000

/** The token from the address, which is kept for this tab and taken out of what is shown and remembered. */
export function takeToken(): string | undefined {
  const given = /^#token=([\w-]{20,200})$/.exec(location.hash)?.[1]
  try {
    if (given !== undefined) {
      history.replaceState(null, '', location.pathname)
      sessionStorage.setItem(TOKEN_KEY, given)
    }
    return given ?? sessionStorage.getItem(TOKEN_KEY) ?? undefined
  } catch {
    return given // storage is switched off
  }
}

/** Tells `onView` of every change, from now on. */
export function watchGateway(token: string | undefined, onView: (view: LiveView) => void): void {
  let view: LiveView = { connection: 'connecting', reason: undefined, sections: {} }
  let open: AbortController | undefined
  let failures = 0
  let timer: number | undefined

  function show(change: Partial<LiveView>): void {
    view = { ...view, ...change }
    onView(view)
  }

  async function connect(): Promise<void> {
    const controller = new AbortController()
    open = controller
    try {
      await readEvents(token, controller, {
        onOpen: () => {
          failures = 0
          show({ connection: 'live', reason: undefined })
        },
        onEvents: (events) => show({ sections: { ...view.sections, ...events } }),
      })
      throw new Error('the gateway has ended the connection')
    } catch (error) {
      if (open !== controller) return // nobody looks
      open = undefined
      const delayMs = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]
      failures += 1
      show({ connection: 'lost', reason: error instanceof Error ? error.message : String(error) })
      timer = setTimeout(() => void connect(), delayMs)
    }
  }

  function follow(): void {
    clearTimeout(timer)
    const last = open
    open = undefined
    last?.abort()
    if (document.visibilityState === 'visible') void connect()
  }

  document.addEventListener('visibilitychange', follow)
  follow()
}

interface EventHandlers {
  readonly onOpen: () => void
  readonly onEvents: (events: Partial<Snapshot>) => void
}

async function readEvents(
  token: string | undefined,
  controller: AbortController,
  { onOpen, onEvents }: EventHandlers,
): Promise<void> {
  const { signal } = controller
  const headers: Record<string, string> = { accept: 'text/event-stream' }
  if (token !== undefined) headers['x-catalog-token'] = token
  const response = await fetch('events', { headers, signal, cache: 'no-store' })
  if (!response.ok || response.body === null) throw new Error(await reasonOf(response))
  setServerTime(response.headers.get('date'))
  onOpen()
  let rest = ''
  const silent = (): number => setTimeout(() => controller.abort(new Error('silence')), SILENCE_MS)
  let watchdog = silent()
  try {
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      clearTimeout(watchdog)
      watchdog = silent()
      const blocks = (rest + text).split('\n\n')
      rest = blocks.pop() ?? ''
      const events = Object.fromEntries(blocks.flatMap(parseEvent))
      if (Object.keys(events).length > 0) onEvents(events)
    }
  } finally {
    clearTimeout(watchdog)
  }
}

function parseEvent(block: string): [string, unknown][] {
  const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? []
  return name === undefined || data === undefined ? [] : [[name, JSON.parse(data) as unknown]]
}

async function reasonOf(response: Response): Promise<string> {
  try {
    const { error } = (await response.json()) as { error?: string }
    return error ?? `HTTP ${response.status}`
  } catch {
    return `HTTP ${response.status}`
  }
}
