/**
 * Whether a registry can't be had from this machine at all: then the client alone would fail too, and the store or a peer may
 * have what it wants. Tried, not guessed: it counts as out of reach only if neither the registry nor any proxy that somebody
 * has configured takes a connection. Sends nothing.
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

/** `host port`; undefined for what is no URL. A proxy may be written without a scheme. */
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
