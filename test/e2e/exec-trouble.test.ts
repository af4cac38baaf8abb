/**
 * `catalog exec -- CLIENT …` where the client would do well without us: behind TLS that only the client's own settings get
 * through, and with a daemon that is killed while its packages come from there.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkspace, type Workspace } from '../support/client.ts'
import { clientCommand, findClient, whyUnavailable, type ClientName } from '../support/clients.ts'
import { pidOf, startDaemon } from '../support/daemon.ts'
import { ALONE, catalogExec, clientByExec, type ExecResult } from '../support/exec-run.ts'
import { expectedInstall, fixturePackages, fixtureProject } from '../support/fixture-packages.ts'
import { freePort } from '../support/free-port.ts'
import { asInstalled, readInstalled } from '../support/installed.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registry.ts'
import { startTlsFront, type TlsFront } from '../support/tls-front.ts'
import { until } from '../support/until.ts'
import { startUpstream } from '../support/upstream.ts'

const packages = fixturePackages()

let workspace: Workspace
beforeAll(async () => {
  workspace = await createWorkspace()
})
afterAll(() => workspace[Symbol.asyncDispose]())

async function project(manifest: object): Promise<{ cwd: string; home: string }> {
  const [cwd, home] = await Promise.all([workspace.folder('project'), workspace.folder('home')])
  await writeFile(join(cwd, 'package.json'), JSON.stringify(manifest))
  return { cwd, home }
}

describe('behind TLS that only the client’s own settings get through', () => {
  let registry: LoopbackRegistry
  let front: TlsFront
  let caFile: string
  beforeAll(async () => {
    registry = await startRegistry({ packages, tarballs: 'self' })
    front = await startTlsFront(registry.url)
    caFile = join(await workspace.folder('ca'), 'ca.pem')
    await writeFile(caFile, front.certificate)
  })
  afterAll(async () => {
    await front[Symbol.asyncDispose]()
    await registry.stop()
  })

  interface Case {
    readonly files?: Readonly<Record<string, string>>
    readonly env?: Readonly<Record<string, string>>
    readonly options?: readonly string[]
  }

  async function install(name: ClientName, given: Case): Promise<ExecResult> {
    const { files = {}, env = {}, options = [] } = given
    const client = findClient(name)
    const { cwd, home } = await project({
      name: 'p',
      version: '1.0.0',
      dependencies: { 'fx-leaf': '^1.0.0' },
    })
    for (const [path, text] of Object.entries(files)) await writeFile(join(cwd, path), text)
    const own = { npm_config_fetch_retries: '0', pnpm_config_fetch_retries: '0' }
    return catalogExec([...clientCommand(client), ...client.install], {
      ...{ cwd, home, options: ['--port', '0', ...options] },
      env: { ...client.variables(home), ...own, ...env },
    })
  }

  const yarnrc = (...lines: string[]): Record<string, string> => ({
    '.yarnrc.yml': ['nodeLinker: node-modules', 'enableTelemetry: false', ...lines, ''].join('\n'),
  })

  const THROUGH: [string, ClientName, () => Case][] = [
    [
      'Yarn’s httpsCaFilePath, beside its registry',
      'yarn-4',
      () => ({
        files: yarnrc(`npmRegistryServer: "${front.url}"`, `httpsCaFilePath: "${caFile}"`),
      }),
    ],
    [
      'Yarn’s variable, pointed at the gateway',
      'yarn-4',
      () => ({
        ...{ files: yarnrc(), env: { YARN_HTTPS_CA_FILE_PATH: caFile } },
        options: ['--upstream', front.url],
      }),
    ],
    [
      'pnpm’s strictSsl in pnpm-workspace.yaml',
      'pnpm-12',
      () => ({ files: { 'pnpm-workspace.yaml': `registry: ${front.url}/\nstrictSsl: false\n` } }),
    ],
    [
      'pnpm’s variable',
      'pnpm-11',
      () => ({
        ...{ files: { '.npmrc': `registry=${front.url}/\n` } },
        env: { pnpm_config_strict_ssl: 'false' },
      }),
    ],
    [
      'DENO_CERT',
      'deno',
      () => ({ files: { '.npmrc': `registry=${front.url}/\n` }, env: { DENO_CERT: caFile } }),
    ],
  ]

  test.each(THROUGH)('%s: through us', async (_, name, given) => {
    const result = await install(name, given())

    expect(result.exitCode, result.output).toBe(0)
    expect(result.report).toMatchObject({ gateway: 'own', sources: { origin: { artifacts: 1 } } })
  })

  test('Yarn’s networkSettings for one host: left alone, and the reason said', async () => {
    const setting = `networkSettings:\n  localhost:\n    httpsCaFilePath: "${caFile}"`
    const files = yarnrc(`npmRegistryServer: "${front.url}"`, setting)

    const result = await install('yarn-4', { files })

    expect(result.exitCode, result.output).toBe(0)
    expect(result.report).toMatchObject({ gateway: 'none' })
    expect(result.output).toContain('it has networkSettings for its registry; running the command')
  })

  test.each(['npm-12', 'pnpm-11', 'pnpm-12', 'yarn-4'] as const)(
    'what nothing gets through is said with the reason: %s',
    async (name) => {
      const npmrc = { '.npmrc': `registry=${front.url}/\n` }
      const options = ['--upstream', front.url]
      const files = name === 'yarn-4' ? yarnrc('httpRetry: 0') : npmrc

      const result = await install(name, { files, options })

      expect(result.exitCode).not.toBe(0)
      expect(result.output).toContain('self-signed certificate')
    },
  )
})

describe('with a daemon that is killed in the middle', () => {
  const expected = expectedInstall(packages)

  /** Both at once: they wait ten seconds before they try again. */
  test.concurrent.each(['npm-12', 'pnpm-12'] as const)(
    '%s: a gateway of our own is there when it tries again',
    { timeout: 90_000 },
    async (name) => {
      const client = findClient(name)
      expect(whyUnavailable(client)).toBeUndefined()
      await using upstream = await startUpstream(packages)
      const { cwd, home } = await project(fixtureProject)
      const [port, store] = [await freePort(), join(home, 'store')]
      const options = ['--port', String(port), '--store', store]
      const args = [...ALONE, ...options, '--upstream', upstream.url]
      await using daemon = await startDaemon({ args, home, port })
      const pid = await pidOf(store)
      const killed = Promise.withResolvers<undefined>()
      upstream.fault(/\/-\/fx-tiny-5/, { kind: 'hold', until: killed.promise })

      const registry = upstream.url.replace(/\/$/, '')
      const running = clientByExec(client, client.install, { cwd, home, options, registry })
      await until(() => upstream.count(/\/-\/fx-tiny-5/) > 0)
      process.kill(pid, 'SIGKILL')
      killed.resolve(undefined)
      const result = await running

      expect(result.exitCode, result.output).toBe(0)
      expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))
      expect(result.output).toContain(`has taken its place at ${daemon.url}/`)
      expect(result.report).toMatchObject({ gateway: 'own' })
      expect(result.report?.warning).toContain('the daemon has gone while the command ran')
    },
  )
})
