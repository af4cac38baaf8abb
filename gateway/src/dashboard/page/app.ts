/** The dashboard: the newest state of the gateway, drawn again whenever it changes. */
import { render } from 'preact'
import { header } from './header.ts'
import { html } from './html.ts'
import { takeToken, watchGateway, type LiveView } from './live.ts'
import { overview } from './overview.ts'
import { storePanel } from './store-panel.ts'
import { Swarm } from './swarm.ts'

const place = document.getElementById('page')

function page(view: LiveView) {
  const { totals, store, swarm } = view.sections
  if (totals === undefined) return html`${header(view)}`
  return html`${header(view)}
    <main id="main">
      ${overview(totals)} ${swarm && html`<${Swarm} swarm=${swarm} />`}
      <div class="columns">${store && storePanel(store)}</div>
    </main>`
}

if (place !== null) {
  place.replaceChildren()
  watchGateway(takeToken(), (view) => render(page(view), place))
}
