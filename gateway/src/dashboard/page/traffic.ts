/** What came from where over time, as a plot (uPlot) and as a sentence for those who do not see it. */
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import type { Source, TrafficSection } from '../snapshot.ts'
import { serverNow } from './clock.ts'
import { bytes, count, duration, plural } from './format.ts'
import { html, type View } from './html.ts'
import { SOURCES, SOURCE_WORDS } from './sources.ts'
import { stackTraffic, sum, type Measure, type StackedTraffic } from './traffic-data.ts'

const HEIGHT = 170
/** Where the scale ends when next to nothing came. */
const LEAST: Readonly<Record<Measure, number>> = { bytes: 1_000_000, artifacts: 10 }
/** The plot moves on by itself, as an idle gateway says nothing. */
const REDRAW_MS = 10_000

export function Traffic({ traffic }: { traffic: TrafficSection }): View {
  const [measure, setMeasure] = useState<Measure>('bytes')
  const [, setTick] = useState(0)
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<LivePlot | null>(null)
  const data = stackTraffic(traffic, measure, serverNow())
  useEffect(() => {
    const element = place.current
    if (element === null) return undefined
    const made = makePlot(element)
    plot.current = made
    const timer = setInterval(() => setTick((tick) => tick + 1), REDRAW_MS)
    return () => {
      clearInterval(timer)
      made.destroy()
    }
  }, [])
  useEffect(() => plot.current?.show(data, measure))
  const choice = (one: Measure, word: string): View =>
    html`<button type="button" aria-pressed=${measure === one} onClick=${() => setMeasure(one)}>
      ${word}
    </button>`
  return html`<section class="panel" aria-labelledby="traffic">
    <div class="titled">
      <h2 id="traffic">Over time</h2>
      <div class="choice" role="group" aria-label="Measured in">
        ${choice('bytes', 'bytes')}${choice('artifacts', 'packages')}
      </div>
    </div>
    <div class="plot" role="img" aria-label=${inWords(data, measure)} ref=${place}></div>
  </section>`
}

function inWords({ own, times }: StackedTraffic, measure: Measure): string {
  const amount = (source: Source): string =>
    measure === 'bytes' ? bytes(sum(own[source])) : plural(sum(own[source]), 'package')
  const from = SOURCES.map((source) => `${amount(source)} from ${SOURCE_WORDS[source]}`)
  return `In the last ${duration(times.length * 10_000)}: ${from.join(', ')}`
}

interface LivePlot {
  show(data: StackedTraffic, measure: Measure): void
  destroy(): void
}

/** The registry lies behind the others, so its series is drawn first. */
const DRAWN: readonly Source[] = ['origin', 'store', 'peer']

function makePlot(element: HTMLElement): LivePlot {
  const shown: Shown = {
    data: undefined,
    measure: 'bytes',
  }
  const plot = new uPlot(optionsOf(shown, element.clientWidth || 600), [[], [], [], []], element)
  const fit = new ResizeObserver(() =>
    plot.setSize({ width: Math.max(200, element.clientWidth), height: HEIGHT }),
  )
  fit.observe(element)
  const scheme = matchMedia('(prefers-color-scheme: dark)')
  const repaint = (): void => plot.redraw(false)
  scheme.addEventListener('change', repaint)
  return {
    show(data, measure) {
      shown.data = data
      shown.measure = measure
      plot.setData([
        data.times,
        ...DRAWN.map((source) => data.stacked[source]),
      ] as uPlot.AlignedData)
    },
    destroy() {
      scheme.removeEventListener('change', repaint)
      fit.disconnect()
      plot.destroy()
    },
  }
}

interface Shown {
  data: StackedTraffic | undefined
  measure: Measure
}

function optionsOf(shown: Shown, width: number): uPlot.Options {
  const colour = (name: string): string =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
  const text = (value: number): string =>
    shown.measure === 'bytes' ? bytes(value) : count(Math.round(value))
  const stepped = uPlot.paths.stepped?.({ align: 1 })
  const axis = { stroke: () => colour('quiet'), font: '12px system-ui, sans-serif' }
  return {
    ...{ width, height: HEIGHT, padding: [8, 20, 0, 0] },
    cursor: { points: { show: false }, drag: { x: false, y: false } },
    scales: {
      y: { range: (_plot, _min, max) => [0, Math.max(max * 1.08, LEAST[shown.measure])] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        ticks: { show: false },
        values: '{HH}:{mm}',
        incrs: [60, 120, 300, 600, 900],
        space: 60,
      },
      {
        ...{ ...axis, size: 66, ticks: { show: false }, space: 34 },
        grid: { stroke: () => colour('line'), width: 1 },
        values: (_plot, splits) =>
          splits.map((value) =>
            Number.isInteger(value) || shown.measure === 'bytes' ? text(value) : '',
          ),
      },
    ],
    series: [
      {
        label: 'at',
        value: (_plot, seconds) =>
          seconds === null ? 'all shown' : new Date(seconds * 1000).toTimeString().slice(0, 8),
      },
      ...DRAWN.map((source) => ({
        label: SOURCE_WORDS[source],
        ...{ fill: () => colour(source), stroke: () => colour(source), width: 0 },
        ...{ points: { show: false }, ...(stepped && { paths: stepped }) },
        value: (_plot: uPlot, _raw: number, _series: number, index: number | null) =>
          text(
            index === null
              ? sum(shown.data?.own[source] ?? [])
              : (shown.data?.own[source][index] ?? 0),
          ),
      })),
    ],
  }
}
