/**
 * The daemon of this machine, as one Yarn run sees it: looked for once, shared by all requests, given up at once when it dies
 * and looked for again a moment later. Who can do without it is never held up for longer than that one look.
 */
import { createGatewayClient, probeGateway, type GatewayClient } from './gateway-client.ts'
import type { GatewayHealth } from './gateway-client.ts'

/** All that a Yarn run ever waits to learn that there is no daemon. */
export const PROBE_MS = 150
/** After its death requests go their own way for this long, then it is looked for once more. */
const PAUSE_MS = 5_000
const MAX_RETURNS = 3
/** A daemon that we started is looked for this often, in the background. */
const STARTING_POLL_MS = 250
const STARTING_MS = 30_000
/** Who has no other way waits for a daemon that is there and busy; where nobody listens that is known at once. */
const BUSY_MS = 5_000

export interface Gateway extends GatewayClient, GatewayHealth {}

export interface Daemon {
  /** The gateway, if it answers. Asks the network once at most, whoever asks. */
  gateway(): Promise<Gateway | undefined>
  /** `gateway` died or hangs: nobody else should try for a while. */
  lost(gateway: Gateway): void
  /** Starts one, unless one answers or was started already; does not wait for it. */
  start(): Promise<void>
  /**
   * The gateway for who can't do without: as soon as it answers, if it is being started, and with another, longer look if it
   * did not answer at once. undefined when it does not come up in `timeoutMs`.
   */
  needed(timeoutMs: number): Promise<Gateway | undefined>
}

export interface DaemonDependencies {
  readonly url: URL
  /** Runs `catalog start` in the background; false: there is no such program, or it is not to be used. */
  readonly launch: () => boolean
  readonly nowMs?: () => number
}

type State =
  | { readonly is: 'unknown' }
  | { readonly is: 'asked'; readonly answer: Promise<Gateway | undefined> }
  | { readonly is: 'gone'; readonly untilMs: number }

export function createDaemon(deps: DaemonDependencies): Daemon {
  const nowMs = deps.nowMs ?? (() => performance.now())
  let state: State = { is: 'unknown' }
  let returns = 0
  let starting: Promise<Gateway | undefined> | undefined
  let lookingLonger: Promise<Gateway | undefined> | undefined

  async function look(deadlineMs = PROBE_MS): Promise<Gateway | undefined> {
    const health = await probeGateway(deps.url, deadlineMs)
    return health && { ...createGatewayClient(deps.url), ...health }
  }

  function ask(): Promise<Gateway | undefined> {
    const answer = look()
    state = { is: 'asked', answer }
    return answer
  }

  function gateway(): Promise<Gateway | undefined> {
    switch (state.is) {
      case 'asked':
        return state.answer
      case 'unknown':
        return ask()
      case 'gone':
        if (nowMs() < state.untilMs) return Promise.resolve(undefined)
        returns += 1
        return ask()
    }
  }

  /** In the background: a timer of it never keeps Yarn alive. */
  async function waitForIt(): Promise<Gateway | undefined> {
    const endMs = nowMs() + STARTING_MS
    while (nowMs() < endMs) {
      await pause(STARTING_POLL_MS)
      const found = await look()
      if (found !== undefined) return keep(found)
    }
    return undefined
  }

  async function lookLonger(): Promise<Gateway | undefined> {
    const found = await look(BUSY_MS)
    lookingLonger = undefined
    return found && keep(found)
  }

  function keep(gateway: Gateway): Gateway {
    state = { is: 'asked', answer: Promise.resolve(gateway) }
    return gateway
  }

  return {
    gateway,
    lost(gateway) {
      if (state.is !== 'asked') return
      const { answer } = state
      const untilMs = returns < MAX_RETURNS ? nowMs() + PAUSE_MS : Infinity
      void answer.then((current) => {
        const isIt = state.is === 'asked' && state.answer === answer && current === gateway
        if (isIt) state = { is: 'gone', untilMs }
      })
    },
    async start() {
      if (starting !== undefined || (await gateway()) !== undefined) return
      if (starting === undefined && deps.launch()) starting = waitForIt()
    },
    async needed(timeoutMs) {
      const found = await (starting === undefined ? gateway() : within(starting, timeoutMs))
      return found ?? (lookingLonger ??= lookLonger())
    },
  }
}

/** A timer that never keeps Yarn alive. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref())
}

async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
