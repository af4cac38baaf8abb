/** What the guard is told to refuse, and what it refused of late. */
import type { GuardSection } from '../snapshot.ts'
import { serverNow } from './clock.ts'
import { clockTime, count, duration, plural } from './format.ts'
import { html, type View } from './html.ts'

const SHOWN = 6

export function guardPanel(guard: GuardSection): View {
  const { minReleaseAgeMs, trustDowngrade, malware, refusals, refused } = guard
  const isOff = minReleaseAgeMs === 0 && trustDowngrade === 'off' && malware === null
  return html`<section class="panel" aria-labelledby="guard">
    <h2 id="guard">Guard</h2>
    ${
      isOff
        ? html`<p class="quiet">
            Off: every version that its registry has is given out. A first rule:${' '}<code
              >catalog start --min-release-age 3d</code
            >
          </p>`
        : html`<p class="lead">
              ${refused === 0 ? 'Nothing refused' : html`<b>${plural(refused, 'request')}</b> refused`}<span
                class="quiet"
                >${' in this run'}</span
              >
            </p>
            <dl class="facts">
              <div>
                <dt>release age</dt>
                <dd>${minReleaseAgeMs === 0 ? 'any' : `at least ${duration(minReleaseAgeMs)}`}</dd>
              </div>
              <div>
                <dt>malware list</dt>
                <dd>${malware === null ? 'none' : plural(malware.records, 'record')}</dd>
              </div>
              <div>
                <dt>less proven</dt>
                <dd>
                  ${{ off: 'not looked at', warn: 'warned of', refuse: 'refused' }[trustDowngrade]}
                </dd>
              </div>
            </dl>`
    }
    ${refusals !== null && refusals.length > 0 && list(refusals)}
  </section>`
}

function list(refusals: NonNullable<GuardSection['refusals']>): View {
  return html`<ul class="refusals">
      ${refusals
        .slice(0, SHOWN)
        .map(
          ({ number, atMs, text, next }) =>
            html`<li key=${number}>
              <span class="quiet">${`${clockTime(atMs, serverNow())} `}</span
              >${text ?? 'a private package was refused'}
              ${next !== null && html`<span class="quiet">${` – ${next}`}</span>`}
            </li>`,
        )}
    </ul>
    ${refusals.length > SHOWN && html`<p class="quiet">${`and ${count(refusals.length - SHOWN)} before`}</p>`}`
}
