/** What was published from this machine, and who keeps it; what is kept here for others. */
import type { Publication, PublicationsSection } from '../snapshot.ts'
import { serverNow } from './clock.ts'
import { bytes, clockTime, count, plural } from './format.ts'
import { html, type View } from './html.ts'

const SHOWN = 6

export function publicationsPanel(section: PublicationsSection): View {
  const { packages, short, wanted, list, replicaBytes, replicaQuotaBytes } = section
  return html`<section class="panel" aria-labelledby="publications">
    <h2 id="publications">Publications</h2>
    ${
      packages === 0
        ? html`<p class="quiet">
            Nothing has been published from this machine. Packages of your own need no
            registry:${' '}
            <code>catalog key new</code>, then <code>catalog publish</code>
          </p>`
        : html`<p class="lead">
            <b>${plural(packages, 'package')}</b> published from here<span class="quiet"
              >${wanted > 0 && short === 0 && `, each kept by ${plural(wanted, 'machine')} besides`}</span
            >${
              wanted > 0 &&
              short > 0 &&
              html`<span class="bad"
                >${`, ${count(short)} kept by fewer than ${plural(wanted, 'machine')} besides`}</span
              >`
            }
          </p>`
    }
    ${list !== null && list.length > 0 && published(list, wanted)}
    <dl class="facts">
      <div>
        <dt>for others</dt>
        <dd>
          ${
            replicaQuotaBytes === 0
              ? 'nothing is kept, as set'
              : `${bytes(replicaBytes)} of ${bytes(replicaQuotaBytes)} at most`
          }
        </dd>
      </div>
    </dl>
  </section>`
}

function published(list: readonly Publication[], wanted: number): View {
  return html`<ul class="refusals">
      ${list.slice(0, SHOWN).map(
        ({ name, latest, kept, versions, changedAtMs }) =>
          html`<li>
            <b>${name ?? 'a private package'}</b>${latest !== null && `@${latest}`}
            <span class="quiet"
              >${` ${plural(versions, 'version')}, ${clockTime(changedAtMs, serverNow())}`}</span
            >
            ${keptText(kept, wanted)}
          </li>`,
      )}
    </ul>
    ${list.length > SHOWN && html`<p class="quiet">${`and ${count(list.length - SHOWN)} more`}</p>`}`
}

/** Its colour never says it alone. */
function keptText(kept: number | null, wanted: number): View {
  if (kept === null) return html`<span class="badge">peers are not told of it</span>`
  if (wanted === 0) return null
  return html`<span class=${kept < wanted ? 'badge bad' : 'badge'}
    >${`kept by ${count(kept)} of ${count(wanted)}`}</span
  >`
}
