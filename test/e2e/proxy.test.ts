/** Which package managers ask a proxy for a registry on this machine: what `catalog use` and `catalog doctor` warn of. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { proxyInTheWay } from '../../gateway/src/clients/proxy-in-the-way.ts'
import type { ClientName as Family } from '../../gateway/src/clients/client.ts'
import { createWorkspace, runClient, type Workspace } from '../support/client.ts'
import { clients, NO_RETRIES, tagsOf, whyUnavailable } from '../support/clients.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'

let workspace: Workspace
let registry: LoopbackRegistry
let proxy: Server
let asked = 0

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages: [makePackage('fx-one', '1.0.0')], tarballs: 'self' })
  proxy = createServer((_req, res) => {
    asked += 1
    res.writeHead(403).end()
  })
  proxy.on('connect', (_req, socket) => {
    asked += 1
    socket.end('HTTP/1.1 403 No\r\n\r\n')
  })
  await once(proxy.listen(0, '127.0.0.1'), 'listening')
})

afterAll(async () => {
  proxy.closeAllConnections()
  proxy.close()
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

const CASES = clients
  .filter(({ name }) => name !== 'deno' && name !== 'yarn-1')
  .map((client) => ({ client, name: client.name, family: client.name.split('-')[0] as Family }))

for (const { client, name, family } of CASES) {
  test(name, { tags: tagsOf(name) }, async ({ skip }) => {
    const unavailable = whyUnavailable(client)
    if (unavailable !== undefined) return skip(unavailable)
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    // An empty variable is not an absent one to all of them.
    const all = { ...NO_RETRIES, HTTP_PROXY: url, HTTPS_PROXY: url, https_proxy: url }
    for (const exceptions of ['', '127.0.0.1']) {
      const env = { ...all, NO_PROXY: exceptions, no_proxy: exceptions }
      const [cwd, home] = [await workspace.folder('project'), await workspace.folder('home')]
      await writeFile(join(cwd, 'package.json'), '{"dependencies":{"fx-one":"1.0.0"}}')
      asked = 0
      await runClient(client.name, client.install, {
        ...{ cwd, home, env, registry: registry.url, timeoutMs: 20_000 },
      })
      const place = { env, home, platform: process.platform }
      const found = proxyInTheWay(family, place, `${registry.url}/`)
      expect({ exceptions, isAsked: asked > 0 }).toEqual({
        exceptions,
        isAsked: found !== undefined,
      })
    }
  })
}
