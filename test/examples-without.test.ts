/**
 * The examples where there is no catalog, because it can't be installed or its daemon does not answer: what the job wants to run
 * runs as it would without us. And the versions that they name are those of today.
 */
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { createWorkspace, mustRunClient, type Workspace } from './support/client.ts'
import { readAction, runAction } from './support/example-action.ts'
import { exampleFiles, exampleText } from './support/example-files.ts'
import { exampleShell, whyNoExamples, type ExampleShell } from './support/example-shell.ts'
import { startDaemon } from './support/daemon.ts'
import { ALONE } from './support/exec-run.ts'
import { expectedInstall, fixturePackages, fixtureProject } from './support/fixture-packages.ts'
import { freePort } from './support/machines/free-port.ts'
import { asInstalled, readInstalled } from './support/installed.ts'
import { startRegistry, type LoopbackRegistry } from './support/registries/registry.ts'
import { repositoryRoot } from './support/source-tree.ts'

const packages = fixturePackages()
const expected = expectedInstall(packages)
const project = { ...fixtureProject, scripts: { test: 'node -e "console.log(40 + 2)"' } }
const unavailable = whyNoExamples()
if (unavailable !== undefined) console.log(`examples: not run, ${unavailable}`)

let workspace: Workspace
/** Has everything but catalog. */
let registry: LoopbackRegistry
let lockfile: string

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages, tarballs: 'self' })
  if (unavailable !== undefined) return
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(project))
  const home = await workspace.folder('home')
  await mustRunClient('npm-12', ['install'], { cwd, home, registry: registry.url })
  lockfile = await readFile(join(cwd, 'package-lock.json'), 'utf8')
}, 120_000)

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

async function newProject(): Promise<{ cwd: string; shell: ExampleShell }> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(project))
  await writeFile(join(cwd, 'package-lock.json'), lockfile)
  const home = await workspace.folder('home')
  const shell = await exampleShell(home, registry.url, { hasCatalog: false })
  return { cwd, shell }
}

async function expectInstalled(cwd: string): Promise<void> {
  expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))
}

describe('catalog that is nowhere', () => {
  test('github-actions: the command runs, with a warning and its own exit code', async ({
    skip,
  }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, shell } = await newProject()
    const { output, exitCode } = await runAction(shell, cwd, { run: 'npm ci\n' })
    expect(exitCode, output).toBe(0)
    expect(output).toContain('E404')
    expect(output).toMatch(/^::warning::.*catalog/m)
    await expectInstalled(cwd)
    const failing = await runAction(shell, cwd, { run: 'echo "$((40 + 2))" > answer; exit 9' })
    expect(failing.exitCode).toBe(9)
    expect(await readFile(join(cwd, 'answer'), 'utf8')).toBe('42\n')
  })

  test('github-actions: not even npm is there', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, shell } = await newProject()
    await shell.program('npm', 'echo "npm: not found" >&2; exit 127')
    const { output, exitCode } = await runAction(shell, cwd, { run: 'touch ran' })
    expect(exitCode, output).toBe(0)
    await access(join(cwd, 'ran'))
  })

  test('gitlab-ci', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, shell } = await newProject()
    const file = parse(exampleText('gitlab-ci/.gitlab-ci.yml')) as Record<string, Job>
    const lines = [...(file['.catalog']?.before_script ?? []), ...(file.test?.script ?? [])]
    const { exitCode, output } = await shell.bash(lines.join('\n'), cwd, { CI: 'true' })
    expect(exitCode, output).toBe(0)
    expect(output).toContain('catalog could not be installed')
    expect(output).toContain('42')
    await expectInstalled(cwd)
    const failing = lines.join('\n').replace('npm ci', 'bash -c "exit 9"')
    expect((await shell.bash(failing, cwd)).exitCode).toBe(9)
  })

  test('runner-fleet', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, shell } = await newProject()
    const { exitCode, output } = await shell.bash(exampleText('runner-fleet/job.sh'), cwd)
    expect(exitCode, output).toBe(0)
    await expectInstalled(cwd)
  })
})

interface Job {
  readonly before_script?: readonly string[]
  readonly script?: readonly string[]
}

interface Installing {
  readonly command: readonly string[]
}

/** What they run, in a container that is pointed at a daemon elsewhere. */
const CONTAINERS: Readonly<Record<string, () => Installing>> = {
  'docker-compose'() {
    const { services } = parse(exampleText('docker-compose/compose.yaml')) as {
      services: { install: Installing }
    }
    return services.install
  },
  kubernetes() {
    const { spec } = parse(exampleText('kubernetes/job.yaml')) as {
      spec: { template: { spec: { containers: Installing[] } } }
    }
    return spec.template.spec.containers[0] ?? { command: [] }
  },
}

describe.each(Object.keys(CONTAINERS))('%s', (folder) => {
  test('installs through the daemon, and without it from the registry', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const port = await freePort()
    const { command } = CONTAINERS[folder]?.() ?? { command: [] }
    const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
    const npm_config_registry = `http://127.0.0.1:${port}/`
    {
      const args = [...ALONE, '--port', String(port), '--upstream', registry.url]
      await using daemon = await startDaemon({ args, home: await workspace.folder('home'), port })
      const { cwd, shell } = await newProject()
      const { exitCode, output } = await shell.bash(line, cwd, { npm_config_registry, ...REPLACE })
      expect(exitCode, output).toBe(0)
      await expectInstalled(cwd)
      expect((await daemon.status()).gateway.tarballs.origin.artifacts).toBe(expected.size)
    }
    const { cwd, shell } = await newProject()
    const { exitCode, output } = await shell.bash(line, cwd, { npm_config_registry })
    expect(exitCode, output).toBe(0)
    await expectInstalled(cwd)
  })
})

/** The lockfile names the registry itself, which npm replaces only if told to. */
const REPLACE = { npm_config_replace_registry_host: 'always' }

describe('versions', () => {
  test('of catalog are the one here', async () => {
    const manifest = await readFile(join(repositoryRoot, 'gateway', 'package.json'), 'utf8')
    const { version } = JSON.parse(manifest) as { version: string }
    const installed = exampleFiles()
      .filter((path) => !path.endsWith('.md'))
      .flatMap((path) => [...exampleText(path).matchAll(/@catalog-p2p\/gateway(?:@([\w.-]+))?/g)])
    expect(installed.length).toBeGreaterThan(2)
    expect(new Set(installed.map(([, named]) => named))).toEqual(new Set([version]))
    expect(exampleText('kubernetes/kustomization.yaml')).toContain(`newTag: ${version}\n`)
  })

  test('of images and actions are named', () => {
    const { steps } = readAction().runs
    const actions = exampleText('github-actions/workflow.yml').matchAll(/uses: ([^.\s]\S*)/g)
    const uses = [...steps.flatMap((step) => step.uses ?? []), ...[...actions].map(([, a]) => a)]
    expect(uses.length).toBeGreaterThan(3)
    for (const each of uses) expect(each).toMatch(/@v\d+$/)
    const images = exampleFiles().flatMap((path) => [
      ...exampleText(path).matchAll(/^(?:FROM |.*\bimage: )(\S+)$/gm),
    ])
    expect(images.length).toBeGreaterThan(4)
    for (const [, image = ''] of images) expect(image).toMatch(/^catalog-p2p$|:\d/)
  })
})
