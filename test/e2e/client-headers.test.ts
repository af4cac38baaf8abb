/**
 * What package managers say of where a request comes from. The gateway takes `Origin` and a foreign `Sec-Fetch-Site` for the
 * mark of a web page and refuses them (gateway/src/http/browser-guard.ts): a client that begins to send them must be noticed here.
 */
import { execFileSync } from 'node:child_process'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  createWorkspace,
  execute,
  isolatedEnvironment,
  mustRunClient,
  runClient,
  type Workspace,
} from '../support/client.ts'
import { clients, NO_RETRIES, tagsOf, whyUnavailable, type ClientName } from '../support/clients.ts'
import { fixturePackages, fixtureProject } from '../support/fixture-packages.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'

/** Beside install and frozen install; what becomes of them does not matter, only what they send. */
const CALLS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  npm: [['view', 'fx-hello'], ['search', 'fx'], ['ping'], ['whoami'], ['login'], ['publish']],
  pnpm: [['view', 'fx-hello'], ['audit'], ['ping'], ['publish', '--no-git-checks']],
  yarn: [['info', 'fx-hello'], ['audit'], ['publish', '--non-interactive']],
  berry: [
    ['npm', 'info', 'fx-hello'],
    ['npm', 'audit'],
    ['npm', 'whoami'],
    ['npm', 'publish'],
  ],
  bun: [['info', 'fx-hello'], ['audit'], ['pm', 'whoami'], ['publish']],
  deno: [['outdated'], ['run', 'npm:fx-hello']],
}

let workspace: Workspace
let registry: LoopbackRegistry

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages: fixturePackages(), tarballs: 'self' })
})

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

for (const client of clients) {
  test(
    `${client.name} says nothing that a web page would say`,
    { tags: tagsOf(client.name) },
    async ({ skip }) => {
      const unavailable = whyUnavailable(client)
      if (unavailable !== undefined) skip(unavailable)
      registry.forget()
      const run = {
        ...(await project()),
        registry: registry.url,
        env: NO_RETRIES,
        timeoutMs: 30_000,
      }

      await mustRunClient(client.name, client.install, run)
      await mustRunClient(client.name, client.frozen, run)
      const mine = { ...run, cwd: await published(run.cwd) }
      for (const args of CALLS[familyOf(client.name)] ?? [])
        await runClient(client.name, args, mine)

      expect(registry.requests.length).toBeGreaterThan(0)
      expect(marksSeen()).toEqual([])
    },
  )
}

test('corepack says nothing that a web page would say', async ({ skip }) => {
  if (!hasCorepack()) skip('there is no corepack on this machine')
  registry.forget()
  const { cwd, home } = await project()
  const env = { COREPACK_NPM_REGISTRY: registry.url, COREPACK_ENABLE_DOWNLOAD_PROMPT: '0' }

  // It fails, as there is no pnpm in this registry, after it has asked for it.
  await execute('corepack', ['pnpm@10.0.0', '--version'], {
    ...{ cwd, timeoutMs: 30_000 },
    env: { ...isolatedEnvironment(home), ...env },
  })

  expect(registry.count()).toBeGreaterThan(0)
  expect(marksSeen()).toEqual([])
})

/** What the gateway would refuse a request for. `Sec-Fetch-Mode` alone is Node's own fetch. */
function marksSeen(): string[] {
  return registry.requests.flatMap(({ method, path, headers }) => {
    const site = headers['sec-fetch-site']
    const marks = [
      ...(headers.origin === undefined ? [] : [`origin: ${headers.origin}`]),
      ...(site === undefined || site === 'none' ? [] : [`sec-fetch-site: ${String(site)}`]),
    ]
    return marks.map((mark) => `${method} ${path} ${mark}`)
  })
}

function familyOf(name: ClientName): string {
  return name === 'yarn-4' ? 'berry' : (name.split('-')[0] ?? name)
}

async function project(): Promise<{ cwd: string; home: string }> {
  const [cwd, home] = [await workspace.folder('project'), await workspace.folder('home')]
  await writeFile(join(cwd, 'package.json'), JSON.stringify(fixtureProject))
  const token = `//${new URL(registry.url).host}/:_authToken=a-token-for-tests`
  await writeFile(join(cwd, '.npmrc'), `${token}\n`)
  return { cwd, home }
}

/** A package beside the project that may be published, with the same settings. */
async function published(project: string): Promise<string> {
  const cwd = await workspace.folder('published')
  await copyFile(join(project, '.npmrc'), join(cwd, '.npmrc'))
  await writeFile(join(cwd, 'package.json'), JSON.stringify({ name: 'fx-mine', version: '1.0.0' }))
  return cwd
}

function hasCorepack(): boolean {
  try {
    execFileSync('corepack', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false // not in every Node
  }
}
