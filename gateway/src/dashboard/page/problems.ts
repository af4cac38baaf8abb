/** What is wrong and what to do about it, above everything else; nothing when nothing is. */
import type { Problem } from '../snapshot.ts'
import { html, type View } from './html.ts'

export function problemList(problems: readonly Problem[]): View {
  return html`<div role="status" class="problems">
    ${problems.map(
      ({ text, next }) =>
        html`<section class="problem" key=${text}>
          <p><b>${text}</b></p>
          <p>${next}</p>
        </section>`,
    )}
  </div>`
}
