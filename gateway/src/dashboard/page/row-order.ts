/** Which requests of an install say most. Of the page and of the gateway, which sends it no more than fit: so nothing of a browser. */

/** What was refused or failed, however quickly, then what took longest; as many as that, in the order in which they began. */
export function mostTelling<Row extends { readonly number: number; readonly outcome: string }>(
  rows: readonly Row[],
  tookMs: (row: Row) => number,
  most: number,
): { shown: Row[]; next: Row | undefined } {
  const isWrong = ({ outcome }: Row): number => Number(outcome === 'denied' || outcome === 'failed')
  const sorted = rows.toSorted((a, b) => isWrong(b) - isWrong(a) || tookMs(b) - tookMs(a))
  const shown = sorted.slice(0, most).sort((a, b) => a.number - b.number)
  return { shown, next: sorted[most] }
}
