/** Which gateway this is, and whether what is shown is what is. */
import { serverNow } from './clock.ts'
import { clockTime, duration } from './format.ts'
import { html, type View } from './html.ts'
import type { Connection, LiveView } from './live.ts'

const WORDS: Readonly<Record<Connection, string>> = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost, trying again',
}

export function header({ connection, reason, sections }: LiveView): View {
  const { totals } = sections
  return html`<header class="top">
    <a class="skip" href="#main">To the content</a>
    <h1>Catalog</h1>
    ${
      totals &&
      html`<p class="where">
        ${
          totals.upstream === null
            ? 'no registry behind it, only peers'
            : html`in front of <b>${hostOf(totals.upstream)}</b>`
        }
        <span class="quiet"> · counting since ${sinceText(totals.sinceMs)}</span>
      </p>`
    }
    <p class=${`state ${connection}`} role="status" title=${reason}>
      <span class="dot" aria-hidden="true"></span>${WORDS[connection]}
    </p>
  </header>`
}

function sinceText(sinceMs: number): string {
  const nowMs = serverNow()
  return `${clockTime(sinceMs, nowMs)} (${duration(Math.max(0, nowMs - sinceMs))})`
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url
}
