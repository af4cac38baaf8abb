/** The install that runs now, or the last one, as a waterfall: when each package was asked for, how long it waited, whence it came. */
import { useEffect, useState } from 'preact/hooks'
import type { InstallRow, InstallSection, RowOutcome } from '../snapshot.ts'
import { serverNow } from './clock.ts'
import { bytes, clockTime, count, duration, plural, shortId } from './format.ts'
import { html, type View } from './html.ts'
import { explanation } from './explanation.ts'
import { mostTelling } from './row-order.ts'
import { SOURCES, SOURCE_WORDS } from './sources.ts'
import { axisOf, barOf, endOf } from './waterfall.ts'

const TICK_MS = 250
const FEW = 14

const OUTCOMES: Readonly<Record<RowOutcome, string>> = {
  running: 'on its way',
  done: '',
  unchanged: 'unchanged',
  denied: 'refused by the guard',
  failed: 'failed',
  gone: 'client left',
}

export function Install({ install }: { install: InstallSection }): View {
  const nowMs = useNow(install.running > 0) - install.startedMs
  const [isLong, setLong] = useState(false)
  const { rows, others } = install
  const shown = rows === null ? [] : isLong ? rows : few(rows, nowMs)
  return html`<section class="panel install" aria-labelledby="install">
    <h2 id="install">${install.tookMs === null ? 'Install running now' : 'Last install'}</h2>
    <p class="lead">${summary(install, nowMs)}</p>
    ${rows === null && html`<p class="quiet">Its packages are shown on the machine itself only.</p>`}
    ${shown.length > 0 && waterfall(shown, install, nowMs)}
    ${
      rows !== null &&
      rows.length > FEW &&
      html`<p class="more">
        <button type="button" aria-expanded=${isLong} onClick=${() => setLong(!isLong)}>
          ${isLong ? 'show only the slowest and what failed' : `show ${rows.length} requests`}
        </button>
        ${
          others.count > 0 &&
          html`<span class="quiet">
            ${`and ${count(others.count)} more, none longer than ${duration(others.longestMs)}`}
          </span>`
        }
      </p>`
    }
    ${install.explanation !== null && explanation(install.explanation)}
  </section>`
}

/** The time, again and again while it matters. */
function useNow(isRunning: boolean): number {
  const [, setTick] = useState(0)
  useEffect(() => {
    if (!isRunning) return undefined
    const timer = setInterval(() => setTick((tick) => tick + 1), TICK_MS)
    return () => clearInterval(timer)
  }, [isRunning])
  return serverNow()
}

function few(rows: readonly InstallRow[], nowMs: number): readonly InstallRow[] {
  return mostTelling(rows, (row) => endOf(row, nowMs) - row.at, FEW).shown
}

function summary(install: InstallSection, nowMs: number): View {
  const { client, startedMs, tookMs, tarballs, tarballRequests, metadataRequests, denied, failed } =
    install
  const from = SOURCES.filter((source) => tarballs[source].artifacts > 0).map(
    (source) =>
      `${count(tarballs[source].artifacts)} from ${SOURCE_WORDS[source]} (${bytes(tarballs[source].bytes)})`,
  )
  const parts = [
    ...(from.length > 0 ? [from.join(', ')] : []),
    `${plural(tarballRequests, 'package')} and ${plural(metadataRequests, 'document')} asked for`,
    ...(denied > 0 ? [`${denied} refused by the guard`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ]
  return html`<b>${client ?? 'a client'}</b>
    ${` at ${clockTime(startedMs, serverNow())}, ${
      tookMs === null ? `for ${duration(Math.max(0, nowMs))} so far` : duration(tookMs)
    }: `}
    <span class="quiet">${parts.join(' · ')}</span>`
}

function waterfall(rows: readonly InstallRow[], install: InstallSection, nowMs: number): View {
  const axis = axisOf(rows, install.tookMs, nowMs)
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Requests of the install">
    <table class="waterfall">
      <thead>
        <tr>
          <th scope="col">asked for</th>
          <th scope="col" class="track">
            <span class="hidden">when</span>
            <span class="ticks" aria-hidden="true">
              ${axis.ticks.map(
                (tick) =>
                  html`<span style=${{ left: `${(100 * tick) / axis.endMs}%` }}
                    >${tick === 0 ? '0' : duration(tick)}</span
                  >`,
              )}
            </span>
          </th>
          <th scope="col">from</th>
          <th scope="col" class="number">size</th>
          <th scope="col" class="number">waited</th>
          <th scope="col" class="number">took</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map((row) => requestRow(row, axis.endMs, nowMs))}
      </tbody>
    </table>
  </div>`
}

function requestRow(row: InstallRow, axisMs: number, nowMs: number): View {
  const { number, name, version, kind, source, outcome, at, total, wait } = row
  const bar = barOf(row, axisMs, nowMs)
  const label = name === null ? 'a private package' : version === null ? name : `${name}@${version}`
  return html`<tr key=${number} class=${outcome}>
    <th scope="row" title=${label}>
      <span class="name">${label}</span
      >${kind === 'metadata' && html`<span class="quiet">${' versions'}</span>`}
    </th>
    <td class="track">
      <span class="hidden">${`at ${duration(at)}`}</span>
      <span class="waiting" style=${{ left: bar.left, width: bar.waitWidth }}></span>
      ${hasBar(row) && html`<span class=${`moving ${source ?? 'none'}`} style=${{ left: bar.moveLeft, width: bar.moveWidth }}></span>`}
    </td>
    <td>${OUTCOMES[outcome] || fromText(row)}</td>
    <td class="number">${row.bytes > 0 ? bytes(row.bytes) : '–'}</td>
    <td class="number">${wait === null ? '–' : duration(wait)}</td>
    <td class="number">${total === null ? html`<span class="quiet">…</span>` : duration(total)}</td>
  </tr>`
}

/** What only waits has no end to be seen. */
function hasBar({ wait, outcome }: InstallRow): boolean {
  return wait !== null || outcome !== 'running'
}

function fromText({ source, givers, late, isAhead }: InstallRow): View {
  if (source === null) return '–'
  const [giver] = givers
  const words =
    giver === undefined
      ? SOURCE_WORDS[source]
      : givers.length === 1
        ? `peer ${shortId(giver)}`
        : plural(givers.length, 'peer')
  return html`<span class=${`from ${source}`} title=${givers.join(', ')}>
    ${words}
    ${isAhead && html`<span class="badge" title="fetched before the client asked for it">ahead</span>`}
    ${
      late > 0 &&
      html`<span
        class="badge"
        title=${`${plural(late, 'peer')} took long, so another source was asked beside`}
        >hedged</span
      >`
    }
  </span>`
}
