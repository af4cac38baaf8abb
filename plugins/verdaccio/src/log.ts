/**
 * Log lines of the plugin in Verdaccio's logger: the event and its facts as one text, because Verdaccio prints nothing but the
 * message. Routine lines of the node are one level lower than those of the plugin.
 */
import type { Logger } from '@catalog-p2p/core'
import type { VerdaccioLogger } from './verdaccio.ts'

type Facts = Readonly<Record<string, unknown>>

export function createPluginLog(logger: VerdaccioLogger): Logger {
  const at =
    (level: keyof VerdaccioLogger) =>
    (event: string, facts: Facts = {}): void =>
      logger[level]({}, `catalog-p2p: ${event}${shownFacts(facts)}`)
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

export function createNodeLog(logger: VerdaccioLogger): Logger {
  const plugin = createPluginLog(logger)
  const quiet =
    (level: 'trace' | 'debug') =>
    (event: string, facts: Facts = {}): void =>
      logger[level]({}, `catalog-p2p node: ${event}${shownFacts(facts)}`)
  return { ...plugin, debug: quiet('trace'), info: quiet('debug') }
}

/** ` package=fx@1.0.0 reason="two words"`; errors by their message and hint. */
export function shownFacts(facts: Facts): string {
  return Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${shown(value)}`)
    .join('')
}

function shown(value: unknown): string {
  if (value instanceof Error) {
    const { hint } = value as { hint?: unknown }
    return JSON.stringify(typeof hint === 'string' ? `${value.message} (${hint})` : value.message)
  }
  if (typeof value !== 'string') return JSON.stringify(value) ?? 'undefined'
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}
