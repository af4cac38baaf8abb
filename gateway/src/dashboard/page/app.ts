/** The dashboard: the newest state of the gateway, drawn again whenever it changes. */
import { render } from 'preact'
import { guardPanel } from './guard-panel.ts'
import { header } from './header.ts'
import { html, type View } from './html.ts'
import { Install } from './install.ts'
import { takeToken, watchGateway, type LiveView } from './live.ts'
import { overview } from './overview.ts'
import { problemList } from './problems.ts'
import { publicationsPanel } from './publications-panel.ts'
import { storePanel } from './store-panel.ts'
import { Swarm } from './swarm.ts'
import { Traffic } from './traffic.ts'

const place = document.getElementById('page')

function page(view: LiveView): View {
  const { totals, problems = [], install, traffic, swarm, ...rest } = view.sections
  const { store, publications, guard } = rest
  if (totals === undefined) return html`${header(view)}`
  return html`${header(view)}
    <main id="main">
      ${problemList(problems)} ${overview(totals, install ?? null)}
      ${install && html`<${Install} key=${install.number} install=${install} />`}
      ${traffic && install && html`<${Traffic} traffic=${traffic} />`}
      ${swarm && html`<${Swarm} swarm=${swarm} />`}
      <div class="columns">
        ${store && storePanel(store)}${publications && publicationsPanel(publications)}
        ${guard && guardPanel(guard)}
      </div>
    </main>`
}

if (place !== null) {
  place.replaceChildren()
  watchGateway(takeToken(), (view) => render(page(view), place))
}
