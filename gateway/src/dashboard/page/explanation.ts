/** Where the time of an install went, and what would make the next one faster: as "catalog explain" says it. */
import type { Cause, Explanation, TimeShare } from '../../activity/explanation.ts'
import { duration, percent } from './format.ts'
import { html, type View } from './html.ts'

/** Less is not seen in a bar. */
const MIN_SHARE = 0.005

const COLOURS: Readonly<Record<Cause, string>> = {
  client: 'quiet-fill',
  finding: 'origin',
  ...{ 'metadata-registry': 'origin', 'metadata-peers': 'peer', 'metadata-here': 'store' },
  ...{ 'registry-wait': 'origin', 'registry-bytes': 'origin' },
  ...{ 'peers-wait': 'peer', 'peers-bytes': 'peer', here: 'store' },
  ...{ unanswered: 'quiet-fill', nothing: 'bad-fill' },
}

export function explanation({ tookMs, shares, findings, next }: Explanation): View {
  const shown = shares.filter(({ ms }) => ms / Math.max(1, tookMs) >= MIN_SHARE)
  return html`<div class="explained">
    <div>
      <h3>Where the time went</h3>
      <ul class="time-shares">
        ${shown.map((share) => row(share, tookMs))}
      </ul>
    </div>
    <div>
      ${findings.length > 0 && list('Counted', findings)}
      ${next.length > 0 && list('For the next one', next)}
    </div>
  </div>`
}

function row({ cause, ms, text }: TimeShare, tookMs: number): View {
  const width = `${((100 * ms) / Math.max(1, tookMs)).toFixed(1)}%`
  return html`<li key=${cause}>
    <span class="share"
      ><b>${duration(ms)}</b><span class="quiet">${percent(ms, tookMs)}</span></span
    >
    <span class="said">
      <span>${text}</span>
      <span class="bar" aria-hidden="true"
        ><span class=${COLOURS[cause]} style=${{ width }}></span
      ></span>
    </span>
  </li>`
}

function list(title: string, lines: readonly string[]): View {
  return html`<h3>${title}</h3>
    <ul class="plain">
      ${lines.map((line) => html`<li key=${line}>${line}</li>`)}
    </ul>`
}
