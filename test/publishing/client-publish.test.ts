/** Each client's own publish to the network, and what it makes of our answer; npm's is in npm-publish.test.ts. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { mustRunClient, runClient } from '../support/client.ts'
import { tagsOf, type ClientName } from '../support/clients.ts'
import { meet, type Machine } from '../support/machines/machine.ts'
import { ann, annsKey, machinesOfEachTest, TOKEN } from '../support/machines/network-machine.ts'

const NAME = '@acme/tool'

const world = machinesOfEachTest()

interface Way {
  readonly args: readonly string[]
  /** What it says when the version is there already: our own words, or its. */
  readonly refused: RegExp
}

const ours = /@acme\/tool@1\.0\.0 is published already/
const pnpm = { args: ['publish', '--no-git-checks'], refused: ours }
const WAYS: Partial<Record<ClientName, Way>> = {
  'pnpm-10': { ...pnpm, refused: /cannot publish over the previously published versions: 1\.0\.0/ },
  ...{ 'pnpm-11': pnpm, 'pnpm-12': pnpm },
  'yarn-1': { args: ['publish', '--non-interactive'], refused: ours },
  'yarn-4': { args: ['npm', 'publish'], refused: ours },
  bun: { args: ['publish'], refused: ours },
}

/** A project that knows the token as its client has it. */
async function project({ url, port }: Machine): Promise<string> {
  const cwd = await world.project('tool', { name: NAME, version: '1.0.0', main: 'index.js' })
  const npmrc = `registry=${url}/\n//127.0.0.1:${port}/:_authToken=${TOKEN}\n`
  await writeFile(join(cwd, '.npmrc'), npmrc)
  await writeFile(join(cwd, '.yarnrc.yml'), `npmAuthToken: '${TOKEN}'\n`)
  return cwd
}

for (const [client, { args, refused }] of Object.entries(WAYS) as [ClientName, Way][]) {
  describe(client, { tags: tagsOf(client) }, () => {
    test('publishes, another machine installs it, and the same version is refused', async () => {
      const [here, there] = [await world.machine('here', annsKey), await world.machine('there')]
      await meet(there.node, here.node, 0)
      const cwd = await project(here)
      const run = { cwd, registry: here.url, home: join(world.folder, 'home') }
      // Yarn publishes only what has a lockfile.
      if (client === 'yarn-4') await mustRunClient(client, ['install'], run)
      await mustRunClient(client, args, run)
      expect(here.node.publications.own()).toMatchObject([{ name: NAME, publisher: ann }])

      const app = await world.project('app', { name: 'app', version: '1.0.0', private: true })
      const home = join(world.folder, 'other-home')
      if (client === 'yarn-4') await writeFile(join(app, 'yarn.lock'), '')
      // Yarn takes nothing that is younger than a day, unless told otherwise.
      const env = { YARN_NPM_MINIMAL_AGE_GATE: '0' }
      await mustRunClient(client, ['add', NAME], { cwd: app, registry: there.url, home, env })

      const again = await runClient(client, args, run)
      expect(again.exitCode).not.toBe(0)
      expect(again.output.replaceAll(/[\s│]+/g, ' ')).toMatch(refused)
    })
  })
}
