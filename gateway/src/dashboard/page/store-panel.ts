/** How full the store is, and what of it stays. */
import type { StoreSection } from '../snapshot.ts'
import { bytes, percent, plural } from './format.ts'
import { html, type View } from './html.ts'

export function storePanel(store: StoreSection): View {
  const { artifacts, bytes: used, quotaBytes, partialBytes, pinned, writable } = store
  const share = quotaBytes > 0 ? Math.min(1, used / quotaBytes) : 0
  return html`<section class="panel" aria-labelledby="store">
    <h2 id="store">Store</h2>
    <p class="lead">
      <b>${bytes(used)}</b>${` of ${bytes(quotaBytes)} `}<span class="quiet"
        >${`(${percent(used, quotaBytes)})`}</span
      >
    </p>
    <div class="bar" aria-hidden="true">
      <span class="store" style=${{ flexGrow: share }}></span
      ><span style=${{ flexGrow: 1 - share }}></span>
    </div>
    <dl class="facts">
      <div>
        <dt>holds</dt>
        <dd>${plural(artifacts, 'package')}</dd>
      </div>
      ${
        pinned > 0 &&
        html`<div>
          <dt>pinned</dt>
          <dd>${plural(pinned, 'package')} that stay whatever happens</dd>
        </div>`
      }
      ${
        partialBytes > 0 &&
        html`<div>
          <dt>unfinished</dt>
          <dd>${bytes(partialBytes)}</dd>
        </div>`
      }
      ${
        !writable &&
        html`<div class="bad">
          <dt>disk</dt>
          <dd>can't be written: nothing new is kept</dd>
        </div>`
      }
    </dl>
    <p class="quiet">What was used longest ago gives way when it is full.</p>
  </section>`
}
