/**
 * Every package manager meets the guard: a fresh install takes the newest version that is old enough, and a lockfile that pins one
 * that is too young, or known malware, fails with the reason on the screen.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GatewayOptions } from '@catalog-p2p/gateway'
import { createWorkspace, runClient, type ClientResult, type Workspace } from '../support/client.ts'
import {
  clients,
  tagsOf,
  whyUnavailable,
  type Client,
  type ClientName,
} from '../support/clients.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { startMachine } from '../support/machines/machine.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'

const DAY_MS = 86_400_000
const TRIED: readonly ClientName[] = ['npm-12', 'pnpm-10', 'pnpm-12', 'yarn-4', 'bun', 'deno']
/** Their own gates are shorter, so that this test sees ours. */
const YOUNG_MS = 3 * DAY_MS
const packages = ['1.0.0', '1.1.0', '1.2.0'].map((version) => makePackage('fx-aged', version))
const project = { name: 'guarded', version: '1.0.0', dependencies: { 'fx-aged': '^1.0.0' } }
/** What each shows of a refused tarball; Bun and pnpm 12 have no words for it but the status, or their own. */
const IN_ITS_WORDS: Partial<Record<ClientName, RegExp>> = {
  bun: /403/,
  'pnpm-12': /HTTP 403|not\s+present in registry manifest/,
}
/** Of one install. */
const TIMEOUT_MS = 60_000

let workspace: Workspace
let registry: LoopbackRegistry
let list: string

beforeAll(async () => {
  workspace = await createWorkspace()
  const young = new Date(Date.now() - YOUNG_MS).toISOString()
  const published = ({ version }: { version: string }): string | undefined =>
    version === '1.2.0' ? young : undefined
  registry = await startRegistry({ packages, published })
  list = join(workspace.path, 'malware.json')
  const affected = [{ package: { ecosystem: 'npm', name: 'fx-aged' }, versions: ['1.2.0'] }]
  await writeFile(list, JSON.stringify({ id: 'MAL-2025-7', affected }))
})

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

interface Installed {
  readonly result: ClientResult
  readonly version: string | undefined
  readonly lockfile: string | undefined
}

async function install(
  client: Client,
  gateway: GatewayOptions,
  lockfile?: string,
): Promise<Installed> {
  await using machine = await startMachine({ upstream: registry.url, gateway })
  const cwd = await workspace.folder('project')
  const home = await workspace.folder('home')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(project))
  if (lockfile !== undefined) await writeFile(join(cwd, client.lockfile), lockfile)
  const args = lockfile === undefined ? client.install : client.frozen
  const result = await runClient(client.name, args, {
    ...{ cwd, home, registry: machine.url, timeoutMs: TIMEOUT_MS },
    env: { npm_config_fetch_retries: '0', pnpm_config_fetch_retries: '0', YARN_HTTP_RETRY: '0' },
  })
  const manifest = await text(join(cwd, 'node_modules', 'fx-aged', 'package.json'))
  const version = manifest && (JSON.parse(manifest) as { version: string }).version
  return { result, version, lockfile: await text(join(cwd, client.lockfile)) }
}

async function text(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined)
}

const rules: readonly (readonly [string, () => GatewayOptions, RegExp])[] = [
  ['too young', () => ({ minReleaseAgeMs: 2 * YOUNG_MS }), /too young/],
  ['known malware', () => ({ malwareList: list }), /known malware|MAL-2025-7/],
]

for (const client of clients.filter(({ name }) => TRIED.includes(name))) {
  describe(client.name, { tags: tagsOf(client.name) }, () => {
    const unavailable = whyUnavailable(client)
    let pinned: string | undefined

    test('without rules it takes the latest, and pins it', async ({ skip }) => {
      if (unavailable !== undefined) skip(unavailable)
      const { result, version, lockfile } = await install(client, {})
      expect(version, result.output).toBe('1.2.0')
      pinned = lockfile
    })

    for (const [what, options, reason] of rules) {
      test(`takes the newest version that is not ${what}`, async ({ skip }) => {
        if (unavailable !== undefined) skip(unavailable)
        const { result, version } = await install(client, options())
        expect(version, result.output).toBe('1.1.0')
      })

      test(`fails on a lockfile that pins what is ${what}, and says so`, async ({ skip }) => {
        if (unavailable !== undefined) skip(unavailable)
        if (pinned === undefined) throw new Error('there is no lockfile: see the first test')
        const { result, version } = await install(client, options(), pinned)
        expect(result.exitCode, result.output).not.toBe(0)
        expect(version).toBeUndefined()
        expect(result.output).toMatch(IN_ITS_WORDS[client.name] ?? reason)
      })
    }
  })
}
