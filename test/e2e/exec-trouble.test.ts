/**
 * `catalog exec -- CLIENT …` behind TLS that not everybody gets through: with npm's settings the gateway does, with a client's own
 * the client goes alone, and what nothing gets through is said with the reason.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createWorkspace, type Workspace } from '../support/client.ts'
import {
  clientCommand,
  findClient,
  NO_RETRIES,
  tagsOf,
  type ClientName,
} from '../support/clients.ts'
import { catalogExec, type ExecResult } from '../support/exec-run.ts'
import { fixturePackages } from '../support/fixture-packages.ts'
import { startRegistry, type LoopbackRegistry } from '../support/registries/registry.ts'
import { startTlsFront, type TlsFront } from '../support/registries/tls-front.ts'

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
    return catalogExec([...clientCommand(client), ...client.install], {
      ...{ cwd, home, options: ['--port', '0', ...options] },
      env: { ...client.variables(home), ...NO_RETRIES, ...env },
    })
  }

  const yarnrc = (...lines: string[]): Record<string, string> => ({
    '.yarnrc.yml': ['nodeLinker: node-modules', 'enableTelemetry: false', ...lines, ''].join('\n'),
  })

  test.each<[string, ClientName, () => Case]>([
    [
      'npm’s cafile in the project',
      'npm-12',
      () => ({ files: { '.npmrc': `registry=${front.url}/\ncafile=${caFile}\n` } }),
    ],
    [
      'NODE_EXTRA_CA_CERTS, of any program of Node',
      'yarn-4',
      () => ({
        files: yarnrc(`npmRegistryServer: "${front.url}"`),
        env: { NODE_EXTRA_CA_CERTS: caFile },
      }),
    ],
  ])('%s: through us', async (_, name, given) => {
    const result = await install(name, given())

    expect(result.exitCode, result.output).toBe(0)
    expect(result.report).toMatchObject({ gateway: 'own', sources: { origin: { artifacts: 1 } } })
  })

  const ALONE: readonly [string, ClientName, () => Case][] = [
    [
      'Yarn’s httpsCaFilePath',
      'yarn-4',
      () => ({
        files: yarnrc(`npmRegistryServer: "${front.url}"`, `httpsCaFilePath: "${caFile}"`),
      }),
    ],
    [
      'pnpm’s strictSsl in pnpm-workspace.yaml',
      'pnpm-12',
      () => ({ files: { 'pnpm-workspace.yaml': `registry: ${front.url}/\nstrictSsl: false\n` } }),
    ],
    [
      'npm’s strict-ssl, read by another client',
      'pnpm-10',
      () => ({ files: { '.npmrc': `registry=${front.url}/\nstrict-ssl=false\n` } }),
    ],
  ]
  for (const [what, name, given] of ALONE)
    test(`${what}: alone, and the reason said`, { tags: tagsOf(name) }, async () => {
      const result = await install(name, given())

      expect(result.exitCode, result.output).toBe(0)
      expect(result.report).toMatchObject({ gateway: 'none' })
      expect(result.output).toContain('; running the command without peers')
      expect(result.report?.problem).toContain('self-signed certificate')
    })

  for (const name of ['npm-12', 'pnpm-11', 'pnpm-12', 'yarn-4'] as const) {
    const title = `what nothing gets through is said with the reason: ${name}`
    test(title, { tags: tagsOf(name) }, async () => {
      const npmrc = { '.npmrc': `registry=${front.url}/\n` }
      const options = ['--upstream', front.url]
      const files = name === 'yarn-4' ? yarnrc('httpRetry: 0') : npmrc

      const result = await install(name, { files, options })

      expect(result.exitCode).not.toBe(0)
      expect(result.output).toContain('self-signed certificate')
    })
  }
})
