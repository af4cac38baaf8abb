/**
 * Whether there is a newer release of this program: asked once, a while after a start at a terminal, of the registry behind the
 * daemon and of nobody else, through the daemon as upstream-probe.ts does. Never in CI, never without a registry (peers may say
 * anything), and whatever fails is silent. It must never hold anything up.
 */
import { get, type IncomingMessage } from 'node:http'
import { gt, valid } from 'semver'
import type { Terminal } from '../shell/terminal.ts'

const NAME = '@catalog-p2p/gateway'
const TIMEOUT_MS = 15_000
/** A project has a few tags. */
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
  const url = new URL(`-/package/${encodeURIComponent(NAME)}/dist-tags`, gatewayUrl)
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { signal, agent: false }, resolve).once('error', reject)
  })
  try {
    if (response.statusCode !== 200) return undefined
    let text = ''
    for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) {
      text += part
      if (text.length > MAX_LENGTH) return undefined
    }
    const tags = JSON.parse(text) as { latest?: unknown } | null
    return typeof tags?.latest === 'string' ? tags.latest : undefined
  } finally {
    response.destroy()
  }
}
