/** A long list must not keep the event loop: what is done to it is done in many turns of the loop, each of a bounded share. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { digestOf } from '@catalog-p2p/core'
import type { Artifacts } from '../artifacts/artifacts.ts'
import { parseTarget } from '../http/request-target.ts'
import { answerPrefetch, MAX_A_TURN, type PrefetchLine } from './prefetch.ts'

const COUNT = 20_000
const bytes = new Uint8Array(3)
const digest = digestOf(bytes)
/** Reading the first of its facts says that the list is being checked. */
function countingPackages(onCheck: () => void): object[] {
  return Array.from({ length: COUNT }, (_, i) => ({
    get name() {
      onCheck()
      return `fx-${i}`
    },
    ...{ version: '1.0.0', integrity: digest },
  }))
}

/** How much of each kind of work was done in one turn of the event loop, at most. */
function createTurnMeter() {
  const most: Record<string, number> = {}
  let now: Record<string, number> = {}
  let running = true
  const turn = (): void => {
    now = {}
    if (running) setImmediate(turn)
  }
  turn()
  return {
    most,
    note(kind: string, amount = 1): void {
      now[kind] = (now[kind] ?? 0) + amount
      most[kind] = Math.max(most[kind] ?? 0, now[kind])
    },
    stop: () => void (running = false),
  }
}

test('twenty thousand packages that are all here take many turns of the event loop', async () => {
  const meter = createTurnMeter()
  const total = { checked: 0 }
  const packages = countingPackages(() => {
    total.checked += 1
    meter.note('checked')
  })
  // Everything answers at once: nothing but the gateway's own care lets others in.
  const artifacts: Pick<Artifacts, 'get'> = {
    get: () => {
      meter.note('got')
      const artifact = { digest, source: 'store', size: 3, bytes, body: once3() } as const
      return Promise.resolve({ artifact, visibility: 'public' })
    },
  }
  const limits = { maxPackages: COUNT, concurrency: 24 }
  const failures: unknown[] = []
  const server = createServer((req, res) => {
    const { signal } = new AbortController()
    const giveUp = (): void => undefined
    const exchange = {
      req,
      res,
      signal,
      giveUp,
      base: '',
      isOwnBase: true,
      target: parseTarget('POST', '/-/catalog/prefetch'),
    }
    const body = { packages }
    answerPrefetch({ artifacts }, limits, { exchange, body }).catch((error: unknown) => {
      failures.push(error)
      res.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const text = await (await fetch(`http://127.0.0.1:${port}/`)).text()
  meter.stop()
  server.close()
  const lines = text.trim().split('\n')
  expect(failures).toEqual([])
  expect(lines).toHaveLength(COUNT + 1)
  expect((JSON.parse(lines[0] ?? '') as PrefetchLine).status).toBe('ok')
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ done: true, ok: COUNT, bytes: 3 * COUNT })
  expect(total.checked).toBeGreaterThanOrEqual(COUNT)
  // A fact may be looked at more than once.
  expect(meter.most.checked).toBeLessThanOrEqual(MAX_A_TURN * (total.checked / COUNT))
  expect(meter.most.got).toBeLessThanOrEqual(MAX_A_TURN)
})

async function* once3(): AsyncGenerator<Uint8Array> {
  yield bytes
}
