/** What becomes of a daemon's place where no gateway of ours can have it, or need not; test/e2e/exec-trouble.test.ts has the rest. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { silentLogger } from '../../../../core/src/log.ts'
import { npmConfigFrom } from '../../upstream/npmrc.ts'
import type { ExecGatewayWish } from './exec-gateway.ts'
import { reuseDaemon } from './reused-daemon.ts'

let server: Server | undefined
afterEach(() => close())

async function close(): Promise<void> {
  if (server?.listening !== true) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

/** `isCatalog`: it answers as one. Resolves to its URL, and to each question's arrival. */
async function listen(
  port: number,
  isCatalog: boolean,
): Promise<{ url: string; asked: Promise<unknown> }> {
  const listening = createServer((_, response) => {
    response.writeHead(isCatalog ? 200 : 404, { 'content-type': 'application/json' })
    response.end(JSON.stringify(isCatalog ? { status: 'ok', id: 'x' } : {}))
  }).listen(port, '127.0.0.1')
  server = listening
  const asked = once(listening, 'request')
  await once(listening, 'listening')
  return { url: `http://127.0.0.1:${(listening.address() as AddressInfo).port}/`, asked }
}

function watch(url: string) {
  const wish = {
    ...{ config: { node: {}, gateway: {} }, routing: { credentials: {}, connection: {} } },
    ...{ place: { env: {} }, npm: npmConfigFrom({}), log: silentLogger, version: '0', reuse: true },
  } as unknown as ExecGatewayWish
  const gateway = reuseDaemon(url, () => Promise.reject(new Error('not asked')), wish)
  const [over, warned] = [new AbortController(), Promise.withResolvers<string>()]
  const texts: string[] = []
  const warn = (text: string): void => {
    texts.push(text)
    warned.resolve(text)
  }
  const kept = gateway.keep?.({ signal: over.signal, warn })
  return {
    ...{ warned: warned.promise, texts },
    async end() {
      over.abort()
      const standIn = await kept
      await gateway.stop()
      return standIn
    },
  }
}

test(
  'a port that something else has by then is said in one line',
  { timeout: 30_000 },
  async () => {
    const { url, asked } = await listen(0, true)
    const { port } = new URL(url)
    const watching = watch(url)
    await asked
    await close()
    await listen(Number(port), false)

    expect(await watching.warned).toContain(`its place can't be taken: port ${port} is taken`)
    expect(await watching.end()).toBeUndefined()
    expect(watching.texts).toHaveLength(1)
  },
)

test('a daemon that comes back by itself keeps its place', { timeout: 30_000 }, async () => {
  const { url, asked } = await listen(0, true)
  const watching = watch(url)
  await asked
  await close()
  const back = await listen(Number(new URL(url).port), true)
  await back.asked

  expect(await watching.end()).toBeUndefined()
  expect(watching.texts).toEqual([])
})
