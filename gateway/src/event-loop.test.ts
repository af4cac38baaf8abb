/**
 * The stated bound: an 8 MB packument never blocks the event loop for more than 50 ms. Measured twice: as CPU time of the
 * main thread within one turn of the loop, which nothing else on the machine can spoil, and as delay of the loop (this
 * catches waiting for a disk, too), best of three and beyond what an idle loop suffers on this machine at this time.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { makePackage } from '../../test/support/fixture-packages.ts'
import { gatewayWorld } from '../../test/support/gateway-world.ts'

const BOUND_MS = 50
const BYTES = 8_000_000
const IDLE_MS = 300

interface Blocked {
  readonly cpuMs: number
  readonly delayMs: number
}

async function measure(work: () => Promise<unknown>): Promise<Blocked> {
  const delay = monitorEventLoopDelay({ resolution: 2 })
  let running = true
  let cpuMs = 0
  let before = process.threadCpuUsage()
  const turn = (): void => {
    const now = process.threadCpuUsage()
    cpuMs = Math.max(cpuMs, (now.user + now.system - before.user - before.system) / 1000)
    before = now
    if (running) setImmediate(turn)
  }
  turn()
  delay.enable()
  await work()
  delay.disable()
  running = false
  return { cpuMs, delayMs: delay.max / 1e6 }
}

test('an 8 MB packument is fetched, rewritten, compressed and stored beside the event loop', async () => {
  await using world = await gatewayWorld({
    packages: [makePackage('fx-huge', '1.0.0'), makePackage('fx-one', '1.0.0')],
  })
  const document = world.upstream.document('fx-huge')
  const [template] = Object.values(document.versions)
  for (let i = 0, bytes = 0; bytes < BYTES; i += 1) {
    const readme = Array.from({ length: 20 }, (_, j) => `word ${i * j}`).join(' ')
    const one = { ...template, dist: { ...template?.dist }, readme }
    document.versions[`2.0.${i}`] = one
    bytes += JSON.stringify(one).length
  }
  const body = Buffer.from(JSON.stringify(document))
  expect(body.length).toBeGreaterThan(BYTES)
  await world.get('/fx-one') // the worker has started
  // Upstream lives in this process: what it sends is ready beforehand, so that only the gateway is measured.
  world.upstream.otherwise = (_request, res) =>
    void res.writeHead(200, { 'content-length': body.length }).end(body)
  let beyondIdleMs = Infinity
  for (const name of ['fx-huge-1', 'fx-huge-2', 'fx-huge-3']) {
    const idle = await measure(() => sleep(IDLE_MS))
    const busy = await measure(async () => {
      const got = await world.get(`/${name}`, { 'accept-encoding': 'gzip' })
      expect(got.status).toBe(200)
    })
    expect(busy.cpuMs).toBeLessThan(BOUND_MS)
    beyondIdleMs = Math.min(beyondIdleMs, busy.delayMs - idle.delayMs)
  }
  expect(beyondIdleMs).toBeLessThan(BOUND_MS)
}, 60_000)
