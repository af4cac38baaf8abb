/**
 * Every client installs the fixture project from the registry stand-in itself, no gateway between:
 * when this passes and clients.test.ts does not, the gateway is at fault and not the harness.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorkspace, mustRunClient, type Workspace } from '../support/client.ts'
import { clients, tagsOf, whyUnavailable } from '../support/clients.ts'
import { expectedInstall, fixturePackages, fixtureProject } from '../support/fixture-packages.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'

const packages = fixturePackages()
let registry: LoopbackRegistry
let workspace: Workspace

beforeAll(async () => {
  registry = await startRegistry({ packages, tarballs: 'self' })
  workspace = await createWorkspace()
})

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

for (const client of clients) {
  const tags = tagsOf(client.name)
  test(
    `${client.name} installs the fixture project from the stand-in`,
    { tags },
    async ({ skip }) => {
      const reason = whyUnavailable(client)
      if (reason !== undefined) skip(reason)
      const cwd = await workspace.folder(client.name)
      const home = await workspace.folder('home')
      await writeFile(join(cwd, 'package.json'), JSON.stringify(fixtureProject, null, 2))
      registry.forget()

      await mustRunClient(client.name, client.install, { cwd, home, registry: registry.url })

      expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expectedInstall(packages)))
      expect(registry.count('tarball')).toBeGreaterThanOrEqual(expectedInstall(packages).size)
    },
  )
}
