/** Checks that ask the running daemon: that it runs, which peers it has, and whether it reaches its registry. */
import type { DaemonClient, DaemonStatus } from '../../admin/daemon-client.ts'
import { formatMs, plural } from '../shell/format.ts'
import { dhtText, reachText } from '../status/network-facts.ts'
import { redactUrl } from '../../http/redact-url.ts'
import { askUpstream } from '../start/upstream-probe.ts'
import { fail, ok, reasonOf, warn, type Finding } from './check.ts'

const SLOW_UPSTREAM_MS = 3_000
const DIRECT_TIMEOUT_MS = 10_000

export function checkDaemon(daemon: DaemonClient | undefined): Finding {
  if (daemon === undefined) return warn('daemon', 'is not running', 'start it: catalog start')
  const { url, info } = daemon
  if (info !== undefined)
    return ok('daemon', `serves ${url} (process ${info.pid}, ${info.version})`)
  return warn(
    'daemon',
    `what answers at ${url} as a catalog is not the daemon of this store folder`,
    'if it is yours, name its folder with --store; if not, find out whose it is before you install: clients believe what it says',
  )
}

export function checkPeers(status: DaemonStatus): Finding {
  const { peers, bannedPeers, addresses } = status.node
  const banned = bannedPeers > 0 ? `, ${bannedPeers} banned` : ''
  if (peers > 0) return ok('peers', `${peers} connected${banned}`)
  const text = `none connected${banned} (${plural(addresses.length, 'address', 'addresses')} of our own)`
  const next =
    'start catalog on another machine of this network, or name one elsewhere with --bootstrap'
  return warn('peers', text, next)
}

export function checkListening(status: DaemonStatus): Finding {
  const { problems = [] } = status.node // a daemon of an older version says nothing of it
  if (problems.length === 0) return ok('listening', 'for peers, on all it should')
  const next = 'it is tried again by itself; if it stays so, restart the daemon'
  return warn('listening', problems.join('; '), next)
}

/** Never a failure: most machines are behind a router and cannot be dialled. */
export function checkReach(status: DaemonStatus): Finding {
  const { network }: Partial<DaemonStatus['node']> = status.node
  return ok('reached', network === undefined ? 'not known' : reachText(network))
}

export function checkDht(status: DaemonStatus): Finding {
  const { network }: Partial<DaemonStatus['node']> = status.node
  if (network === undefined) return ok('DHT', 'not known')
  const text = dhtText(network)
  if (!network.isAnnounceFailing) return ok('DHT', text)
  const next =
    'none of its peers answers DHT queries: give the address of one that can be reached with --bootstrap, or start one with --bootstrap-server'
  return warn('DHT', text, next)
}

/** A publisher that tells different people different things, or whose key somebody else has. */
export function checkForks(status: DaemonStatus): Finding {
  const { forks = [] }: Partial<DaemonStatus['node']> = status.node
  if (forks.length === 0) return ok('publishers', 'none that contradicts itself')
  const names = forks.slice(0, 5).map(({ name, publisher }) => `${name} (${publisher})`)
  const next =
    'ask its publisher, whose key another may have: the first state that was seen here counts, until a later one replaces it'
  return warn('publishers', `signed two different states of ${names.join(', ')}`, next)
}

export function checkStoreHealth(status: DaemonStatus): Finding {
  if (status.node.store.writable) return ok('storing', 'what arrives is kept')
  const next = 'free disk space or fix the rights of the store folder; it is tried again by itself'
  return fail('storing', 'the daemon serves, but keeps nothing new', next)
}

/** Through the daemon, because it knows proxies, certificates and credentials. */
export async function checkUpstream(url: string, upstream: string | null): Promise<Finding> {
  if (upstream === null) return ok('upstream', 'none, as told (peers only)')
  const { ms, problem } = await askUpstream(url)
  const next = 'check --upstream, the proxy settings and the network'
  if (problem !== undefined) return fail('upstream', `${redactUrl(upstream)}: ${problem}`, next)
  const text = `${redactUrl(upstream)} answers in ${formatMs(ms)}`
  return ms > SLOW_UPSTREAM_MS ? warn('upstream', text, next) : ok('upstream', text)
}

/** Without a daemon: only whether anything answers at the registry's URL. */
export async function checkUpstreamDirectly(upstream: string | null): Promise<Finding> {
  if (upstream === null) return ok('upstream', 'none, as told (peers only)')
  const startMs = performance.now()
  try {
    const signal = AbortSignal.timeout(DIRECT_TIMEOUT_MS)
    await fetch(upstream, { method: 'HEAD', redirect: 'manual', signal })
    return ok(
      'upstream',
      `${redactUrl(upstream)} answers in ${formatMs(performance.now() - startMs)}`,
    )
  } catch (error) {
    const next =
      'check --upstream and the network; behind a proxy, ask again with the daemon running'
    return fail('upstream', `${redactUrl(upstream)} does not answer (${reasonOf(error)})`, next)
  }
}
