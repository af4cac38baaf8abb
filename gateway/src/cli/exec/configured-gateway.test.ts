import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import type { Config } from '../../config/resolve.ts'
import { processTerminal } from '../shell/terminal.ts'
import { findConfiguredGateway, TrustingCatalog } from './configured-gateway.ts'

test('where nothing is to be believed, a catalog that does not say it believes nothing is a refusal', async () => {
  let [health, status] = [503, 503]
  const server = createServer(({ url = '' }, res) => {
    res.statusCode = url.endsWith('health') ? health : status
    res.end('{"status":"ok","id":"me","gateway":{"frozenTrust":true}}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/`
  const known = { config: configOf(port), terminal: processTerminal(), frozenTrust: true }
  const find = () => findConfiguredGateway(url, known)
  // It starts, or hangs.
  await expect(find()).rejects.toThrow(TrustingCatalog)
  health = 200
  await expect(find()).rejects.toThrow(TrustingCatalog)
  status = 200
  expect(await find()).toMatchObject({ url })
  server.close()
  await once(server, 'close')
  await expect(find()).rejects.toThrow(TrustingCatalog)
})

function configOf(port: number): Config {
  return {
    ...{ node: {}, gateway: { port }, storePath: '/nowhere', peersOnly: false, json: false },
    ...{ logLevel: undefined, given: new Map(), file: undefined, warnings: [] },
  }
}
