/**
 * npm's audit as the gateway sees it from real npm 10, 11 and 12: a cold install is run ahead of and gets everything once, nothing
 * for other platforms; a warm `npm ci` says the same and moves nothing.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createGateway, npmConfigFrom } from '@catalog-p2p/gateway'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createCollectingLogger } from '../support/collecting-logger.ts'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { findClient, tagsOf, whyUnavailable } from '../support/clients.ts'
import { expectedInstall, fixturePackages, fixtureProject } from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { quietNode } from '../support/machines/machine.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'

const packages = fixturePackages()
const expected = expectedInstall(packages)

let workspace: Workspace
let registry: LoopbackRegistry

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages })
})

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

for (const name of ['npm-10', 'npm-11', 'npm-12'] as const) {
  test(name, { tags: tagsOf(name) }, async ({ skip }) => {
    const unavailable = whyUnavailable(findClient(name))
    if (unavailable !== undefined) skip(unavailable)
    await using node = await quietNode()
    const gateway = createGateway(
      { node, log: createCollectingLogger(), npmConfig: npmConfigFrom({ registry: registry.url }) },
      { port: 0, addresses: ['127.0.0.1'], hintWaitMs: 0, publicRegistries: [registry.url] },
    )
    const { port } = await gateway.start()
    registry.forget()
    try {
      const at = { registry: `http://127.0.0.1:${port}`, home: await workspace.folder('home') }
      const cwd = await workspace.folder('project')
      await writeFile(join(cwd, 'package.json'), JSON.stringify(fixtureProject))
      await mustRunClient(name, ['install'], { ...at, cwd })
      expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))
      const cold = gateway.stats().hints
      expect(cold).toMatchObject({ lists: 1, failed: 0 })
      expect(cold.packages).toBeGreaterThanOrEqual(expected.size)
      // On a busy machine npm may be there before the list is: then both wait for one download.
      expect(cold.claimed).toBeGreaterThan(0)
      expect(cold.claimed).toBeLessThanOrEqual(cold.fetched)
      expect(registry.count('tarball')).toBe(expected.size)
      expect(registry.count('audit')).toBe(1)

      const again = await workspace.folder('project')
      for (const file of ['package.json', 'package-lock.json']) {
        await writeFile(join(again, file), await readFile(join(cwd, file)))
      }
      await mustRunClient(name, ['ci'], { ...at, cwd: again })
      expect(gateway.stats().hints).toEqual({ ...cold, lists: 2, packages: 2 * cold.packages })
      expect(gateway.stats().requests.tarball).toBe(expected.size)
    } finally {
      await gateway.stop()
    }
  })
}
