/**
 * Whether there is a newer release of this program: asked once, a while after a start at a terminal, through the daemon as a client
 * would ask, so that its guard counts. Believes the registry alone, since peers may say anything. Never in CI, never without a
 * registry, and whatever fails is silent. It must never hold anything up.
 */
import { get, type IncomingMessage } from 'node:http'
import { gt, valid } from 'semver'
import type { Terminal } from '../shell/terminal.ts'

const NAME = '@catalog-p2p/gateway'
const TIMEOUT_MS = 15_000
/** Of a version's own document. */
const MAX_LENGTH = 64 * 1024

/** Nobody reads it in CI, and `NO_UPDATE_NOTIFIER` is what other programs heed, npm's among them. */
export function wantsNotice({ env, canRewrite }: Pick<Terminal, 'env' | 'canRewrite'>): boolean {
  const isSet = (name: string): boolean => !['', '0', 'false', undefined].includes(env[name])
  return canRewrite && !isSet('CI') && !isSet('NO_UPDATE_NOTIFIER')
}

/** What to say; undefined: this is the newest, or nobody knows. */
export async function updateNotice(
  gatewayUrl: string,
  version: string,
): Promise<string | undefined> {
  const latest = await latestOf(gatewayUrl).catch(() => undefined)
  if (valid(latest) === null || latest === undefined || !gt(latest, version)) return undefined
  return `catalog ${latest} is out, this is ${version}: npm install --global ${NAME}@${latest}`
}

async function latestOf(gatewayUrl: string): Promise<string | undefined> {
  const url = new URL(`${NAME.replace('/', '%2f')}/latest`, gatewayUrl)
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { signal, agent: false }, resolve).once('error', reject)
  })
  try {
    const isRegistrys = response.headers['x-catalog-metadata'] === undefined
    if (response.statusCode !== 200 || !isRegistrys) return undefined
    let text = ''
    for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) {
      text += part
      if (text.length > MAX_LENGTH) return undefined
    }
    const document = JSON.parse(text) as { version?: unknown } | null
    return typeof document?.version === 'string' ? document.version : undefined
  } finally {
    response.destroy()
  }
}
