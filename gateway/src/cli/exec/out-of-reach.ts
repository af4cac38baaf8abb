/**
 * Whether this machine cannot reach a registry at all: then the client would fail without us as well, while the store or a peer
 * may have its packages. A registry is out of reach if neither it nor any configured proxy accepts a TCP connection. Sends no
 * data.
 */
import { connect } from 'node:net'
import type { OwnRegistry } from '../../clients/own-registry.ts'

const TIMEOUT_MS = 3_000
const PROXY_VARIABLES =
  /^(?:(?:yarn|npm_config|pnpm_config)_)?(?:https?_?-?proxy|proxy|all_proxy)$/i
const PROXY_SETTINGS = ['proxy', 'https-proxy', 'http-proxy', 'httpProxy', 'httpsProxy']

export async function isOutOfReach(
  { registry, npm, settings }: OwnRegistry,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<boolean> {
  const proxies = [
    ...Object.entries(env).flatMap(([name, value]) => (PROXY_VARIABLES.test(name) ? [value] : [])),
    ...PROXY_SETTINGS.flatMap((key) => [npm.get(key), settings.get(key)]),
  ]
  const ways = new Set([registry, ...proxies].flatMap((way) => addressOf(way) ?? []))
  const answers = await Promise.all([...ways].map((way) => takesConnection(way, signal)))
  signal.throwIfAborted()
  return !answers.includes(true)
}

/** `host port`; undefined if `way` is not a URL. A proxy may be written without a scheme. */
function addressOf(way: unknown): string | undefined {
  if (typeof way !== 'string' || way === '') return undefined
  const text = way.includes('://') ? way : `http://${way}`
  if (!URL.canParse(text)) return undefined
  const { hostname, port, protocol } = new URL(text)
  return `${hostname.replace(/^\[|\]$/g, '')} ${port || (protocol === 'https:' ? '443' : '80')}`
}

async function takesConnection(way: string, signal: AbortSignal): Promise<boolean> {
  const [host = '', port] = way.split(' ')
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect({ host, port: Number(port), timeout: TIMEOUT_MS, signal })
  socket.once('connect', () => resolve(true))
  socket.once('timeout', () => resolve(false))
  socket.once('error', () => resolve(false))
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}
