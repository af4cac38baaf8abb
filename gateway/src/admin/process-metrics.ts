/**
 * Prometheus metrics of the process itself: which build it is, what it takes of the machine, how late its event loop is. All are
 * read when they are scraped; the loop is watched from the first scrape on, so that nobody else pays for it.
 */
import { readdir } from 'node:fs/promises'
import { monitorEventLoopDelay, performance, type ELDHistogram } from 'node:perf_hooks'
import { Counter, Gauge, type Registry } from 'prom-client'
import { packageVersion } from '../package-folder.ts'

const RESOLUTION_MS = 20
const QUANTILES = [0.5, 0.9, 0.99, 1]

export function processMetrics(registry: Registry): void {
  const registers = [registry]
  let version: string | undefined
  new Gauge({
    name: 'catalog_build_info',
    help: 'Always 1: which version of the gateway this is, on which Node.js',
    labelNames: ['version', 'node'],
    registers,
    collect() {
      version ??= packageVersion()
      this.set({ version, node: process.versions.node }, 1)
    },
  })
  new Gauge({
    name: 'catalog_process_start_time_seconds',
    help: 'When the process began, in seconds since 1970',
    registers,
  }).set(performance.timeOrigin / 1000)
  new Counter({
    name: 'catalog_process_cpu_seconds_total',
    help: 'CPU time of the process with all of its threads',
    labelNames: ['mode'],
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc({ mode: 'user' }, user / 1e6)
      this.inc({ mode: 'system' }, system / 1e6)
    },
  })
  new Gauge({
    name: 'catalog_process_memory_bytes',
    help: 'Memory: resident, the heap of the main thread (used and reserved), and what lies outside of it',
    labelNames: ['kind'],
    registers,
    collect() {
      const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
      const kinds = { resident: rss, heap_used: heapUsed, heap_total: heapTotal, external }
      for (const [kind, bytes] of Object.entries(kinds)) this.set({ kind }, bytes)
    },
  })
  new Gauge({
    name: 'catalog_process_open_files',
    help: 'Open files and sockets; on Linux only',
    registers,
    async collect() {
      const open = await readdir('/proc/self/fd').catch(() => undefined)
      // The folder that was read is one of them.
      if (open === undefined) this.remove()
      else this.set(open.length - 1)
    },
  })
  loopMetrics(registry)
}

function loopMetrics(registry: Registry): void {
  const registers = [registry]
  new Counter({
    name: 'catalog_event_loop_busy_seconds_total',
    help: 'Time that the event loop has worked; the rest of the time it waited',
    registers,
    collect() {
      this.reset()
      this.inc(performance.eventLoopUtilization().active / 1000)
    },
  })
  let histogram: ELDHistogram | undefined
  new Gauge({
    name: 'catalog_event_loop_delay_seconds',
    help: 'How late the event loop was since the scrape before this one',
    labelNames: ['quantile'],
    registers,
    collect() {
      for (const quantile of QUANTILES) {
        this.set({ quantile }, histogram === undefined ? 0 : delayOf(histogram, quantile))
      }
      if (histogram === undefined) {
        histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
        histogram.enable()
      } else histogram.reset()
    },
  })
}

/** Seconds. What is measured are the intervals of a timer. */
function delayOf(histogram: ELDHistogram, quantile: number): number {
  if (histogram.count === 0) return 0
  const ms = (quantile === 1 ? histogram.max : histogram.percentile(quantile * 100)) / 1e6
  return Math.max(0, ms - RESOLUTION_MS) / 1000
}
