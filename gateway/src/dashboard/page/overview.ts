/** The first thing that is seen: what did not have to come from the registry, and where it came from instead. */
import type { InstallSection, Source, TotalsSection } from '../snapshot.ts'
import { bytes, percent, plural } from './format.ts'
import { html, type View } from './html.ts'
import { SOURCES } from './sources.ts'

const ORIGINS: Readonly<Record<Source, string>> = {
  peer: 'from peers',
  store: 'from the store here',
  origin: 'from the registry',
}

export function overview(totals: TotalsSection, install: InstallSection | null): View {
  const { tarballs, uploaded } = totals
  const all = SOURCES.reduce((sum, source) => sum + tarballs[source].bytes, 0)
  const packages = SOURCES.reduce((sum, source) => sum + tarballs[source].artifacts, 0)
  if (packages === 0) return install === null ? nothingYet() : onlyQuestions(install)
  const saved = tarballs.peer.bytes + tarballs.store.bytes
  return html`<section class="overview" aria-labelledby="overview">
    <h2 id="overview" class="hidden">What came from where</h2>
    <div class="saved">
      <p>
        <strong class="figure">${bytes(saved)}</strong> of packages did not have to come from the
        registry: <b> ${percent(saved, all)}</b> of ${bytes(all)} in ${plural(packages, 'package')}
      </p>
    </div>
    <div class="shares">
      <div class="bar" aria-hidden="true">
        ${SOURCES.filter((source) => tarballs[source].bytes > 0).map(
          (source) =>
            html`<span class=${source} style=${{ flexGrow: tarballs[source].bytes / all }}></span>`,
        )}
      </div>
      <dl class="sources">
        ${SOURCES.map(
          (source) =>
            html`<div class=${source}>
              <dt>${ORIGINS[source]}</dt>
              <dd>
                <b>${bytes(tarballs[source].bytes)}</b>
                <span>${plural(tarballs[source].artifacts, 'package')}</span>
              </dd>
            </div>`,
        )}
        <div class="given">
          <dt>given to peers</dt>
          <dd>
            <b>${bytes(uploaded.bytes)}</b>
            <span>${plural(uploaded.artifacts, 'package')}</span>
          </dd>
        </div>
      </dl>
    </div>
  </section>`
}

/** What to do so that there is something to see. */
function nothingYet(): View {
  return html`<section class="overview empty" aria-labelledby="overview">
    <h2 id="overview">No package has been asked for yet</h2>
    <p>Once, for your user: <code>catalog use npm</code> (or pnpm, yarn, bun). For one command:</p>
    <p><code>npm ci --registry ${new URL('/', location.href).href}</code></p>
  </section>`
}

/** A client that resolves asks for versions first, and takes from a cache of its own what it has. */
function onlyQuestions({ metadataRequests, tookMs }: InstallSection): View {
  const isOver = tookMs !== null
  return html`<section class="overview empty" aria-labelledby="overview">
    <h2 id="overview">${isOver ? 'No package was asked for' : 'No package has come yet'}</h2>
    <p>
      ${
        isOver
          ? 'Only questions about versions: the client had the packages, or did not want them.'
          : `${plural(metadataRequests, 'question')} about versions so far; packages come next.`
      }
    </p>
  </section>`
}
