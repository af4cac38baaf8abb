/**
 * The examples do what they say, as far as that can be seen on one machine: their shell lines run, against a registry on
 * loopback; their command lines are what the real parser takes; what needs GitHub, GitLab, Docker or a cluster is checked for
 * syntax, and for names that refer to each other.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { cp, readFile, readdir, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments, parseDocument } from 'yaml'
import { systemdUnit } from '../gateway/src/cli/service/systemd-unit.ts'
import { parseOptions } from '../plugins/verdaccio/src/options.ts'
import { parseCatalog } from './support/catalog-parser.ts'
import { createWorkspace, mustRunClient, type Workspace } from './support/client.ts'
import { startDaemon } from './support/daemon.ts'
import { readAction, runAction, type Step } from './support/example-action.ts'
import { catalogLines, exampleFiles, exampleText, EXAMPLES } from './support/example-files.ts'
import { exampleShell, whyNoExamples, type ExampleShell } from './support/example-shell.ts'
import { ALONE } from './support/exec-run.ts'
import { expectedInstall, fixturePackages, fixtureProject } from './support/fixture-packages.ts'
import { freePort } from './support/machines/free-port.ts'
import { asInstalled, readInstalled } from './support/installed.ts'
import { kubeTool, whyNoKubeTools } from './support/machines/kube-tools.ts'
import { startRegistry, type LoopbackRegistry } from './support/registries/registry.ts'
import { quietNetwork, startVerdaccio, nodeIsUp } from './support/registries/verdaccio.ts'

const packages = fixturePackages()
const expected = expectedInstall(packages)
const project = { ...fixtureProject, scripts: { test: 'node -e "console.log(40 + 2)"' } }
const unavailable = whyNoExamples()
if (unavailable !== undefined) console.log(`examples: not run, ${unavailable}`)

type Values = Record<string, unknown>
const yaml = (path: string): Values => toValues(parseDocument(exampleText(path)))

function toValues(document: ReturnType<typeof parseDocument>): Values {
  expect(document.errors).toEqual([])
  return document.toJS() as Values
}

let workspace: Workspace
let registry: LoopbackRegistry
/** What npm makes of the project without us. */
let lockfile: string

beforeAll(async () => {
  workspace = await createWorkspace()
  registry = await startRegistry({ packages, tarballs: 'self' })
  if (unavailable !== undefined) return
  const { cwd } = await newProject()
  const home = await workspace.folder('home')
  await mustRunClient('npm-12', ['install'], { cwd, home, registry: registry.url })
  lockfile = await readFile(join(cwd, 'package-lock.json'), 'utf8')
}, 120_000)

afterAll(async () => {
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

/** With its lockfile, and nothing installed; on a machine where nothing has been installed ever. */
async function newProject(): Promise<{ cwd: string; shell: ExampleShell }> {
  const cwd = await workspace.folder('project')
  await writeFile(join(cwd, 'package.json'), JSON.stringify(project))
  if (lockfile !== undefined) await writeFile(join(cwd, 'package-lock.json'), lockfile)
  return { cwd, shell: await exampleShell(await workspace.folder('home'), registry.url) }
}

async function expectInstalled(cwd: string): Promise<void> {
  expect(await readInstalled(cwd)).toEqual(asInstalled(packages, expected))
  expect(await readFile(join(cwd, 'package-lock.json'), 'utf8')).toBe(lockfile)
}

async function readJson(path: string): Promise<Values> {
  return JSON.parse(await readFile(path, 'utf8')) as Values
}

describe('every example', () => {
  const folders = new Set(exampleFiles().map((path) => path.split('/')[0] ?? ''))

  test.each([...folders])('%s says what it is, and is in the list', (folder) => {
    expect(exampleText(`${folder}/README.md`)).toMatch(/^# .*\n\n\S/)
    expect(exampleText('README.md')).toContain(`](${folder})`)
  })

  const lines = exampleFiles().flatMap((path) =>
    catalogLines(path).map((words) => ({ path, line: words.join(' '), words })),
  )

  test('has command lines that were found', () => {
    expect(lines.length).toBeGreaterThan(20)
    expect(new Set(lines.map(({ words }) => words[0]))).toContain('exec')
  })

  test.each(lines)('$path: catalog $line', async ({ words }) => {
    await expect(parseCatalog(words)).resolves.toBeDefined()
  })
})

describe('github-actions', () => {
  const action = readAction()
  const workflow = yaml('github-actions/workflow.yml') as { jobs: { test: { steps: Step[] } } }
  const { steps } = action.runs

  test('refers only to what there is', () => {
    expect(action.runs.using).toBe('composite')
    const text = exampleText('github-actions/action.yml')
    const used = [...text.matchAll(/\binputs\.([\w-]+)/g)].map(([, name = '']) => name)
    expect(new Set(used)).toEqual(new Set(Object.keys(action.inputs)))
    const ids = steps.flatMap(({ id }) => id ?? [])
    for (const { value } of Object.values(action.outputs)) {
      expect(ids).toContain(/steps\.(\w+)\./.exec(value)?.[1])
    }
    for (const step of [...steps, ...workflow.jobs.test.steps]) {
      expect(Object.keys(step).filter((key) => key === 'run' || key === 'uses')).toHaveLength(1)
    }
    for (const { run, shell } of steps) expect(run === undefined).toBe(shell === undefined)
    const ours = workflow.jobs.test.steps.find(({ uses }) => uses?.startsWith('./'))
    expect(Object.keys(action.inputs)).toEqual(
      expect.arrayContaining(Object.keys(ours?.with ?? {})),
    )
    expect(ours?.with).toHaveProperty('run')
  })

  test('a cache of the store fits into what GitHub keeps', async () => {
    const run = steps.find(({ id }) => id === 'exec')
    expect(run?.env?.CATALOG_QUOTA).toBe('${{ inputs.quota }}')
    expect(await quotaOf(action.inputs.quota?.default)).toBeLessThan(10e9 / 3)
  })

  test('installs, reports, and leaves a store to be cached', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, shell } = await newProject()
    const { output, exitCode, temp, files } = await runAction(shell, cwd, { run: 'npm ci' })
    expect(exitCode, output).toBe(0)
    await expectInstalled(cwd)
    const said = await readFile(files.GITHUB_OUTPUT, 'utf8')
    const path = /^report=(.*)$/m.exec(said)?.[1] ?? ''
    expect(await readJson(path)).toMatchObject({ command: 'npm ci', exitCode: 0, gateway: 'own' })
    expect(await readFile(files.GITHUB_STEP_SUMMARY, 'utf8')).toContain('| packages from |')
    const kept = await readdir(join(temp, 'catalog-store'))
    expect(kept).not.toContain('identity.key')
    expect(kept).not.toContain('daemon.json')

    // The next run, on another machine that gets this one's store out of the cache.
    const next = await newProject()
    const restored = join(next.shell.home, 'runner', 'catalog-store')
    await cp(join(temp, 'catalog-store'), restored, { recursive: true })
    registry.forget()
    const again = await runAction(next.shell, next.cwd, { run: 'npm ci', seed: '100ms' })
    expect(again.exitCode, again.output).toBe(0)
    await expectInstalled(next.cwd)
    expect(registry.count('tarball')).toBe(0)
  })

  test('a command for the shell, and its exit code', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, shell } = await newProject()
    const run = 'echo "$((40 + 2))" > answer; exit 9'
    expect((await runAction(shell, cwd, { run })).exitCode).toBe(9)
    expect(await readFile(join(cwd, 'answer'), 'utf8')).toBe('42\n')
  })

  const bash = (line: string): string[] => ['bash', '-euo', 'pipefail', '-c', line]
  test.for<[run: string, words: string[]]>([
    ['npm ci', ['npm', 'ci']],
    // `run: |` ends in a newline, which must not hide from catalog exec which client it is.
    ['npm ci\n', ['npm', 'ci']],
    ['  pnpm --dir=app install \n\n', ['pnpm', '--dir=app', 'install']],
    ['NODE_ENV=production npm ci', bash('NODE_ENV=production npm ci')],
    [' CI=1 npm ci\n', bash(' CI=1 npm ci')],
    ['npm ci\nnpm test\n', bash('npm ci\nnpm test')],
    ['npm ci && npm test', bash('npm ci && npm test')],
  ])('%j becomes %j', async ([run, words], { skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, shell } = await newProject()
    await shell.program('catalog', String.raw`printf '%s\0' "$@" > words`)
    const { exitCode, output } = await runAction(shell, cwd, { run })
    expect(exitCode, output).toBe(0)
    const given = (await readFile(join(cwd, 'words'), 'utf8')).split('\0').slice(0, -1)
    expect(given.slice(given.indexOf('--') + 1)).toEqual(words)
  })
})

test('gitlab-ci: the job installs and tests', async ({ skip }) => {
  interface Job {
    readonly variables: Record<string, string>
    readonly before_script: string[]
    readonly script: string[]
    readonly extends: string
    readonly cache: { readonly paths: string[] }
  }
  const file = yaml('gitlab-ci/.gitlab-ci.yml') as unknown as Record<string, Job>
  const job = { ...file[file.test?.extends ?? ''], ...file.test } as Job
  expect(job.cache.paths).toEqual(['.catalog-store/'])
  expect(await quotaOf(job.variables.CATALOG_QUOTA)).toBeLessThan(5e9)
  if (unavailable !== undefined) skip(unavailable)
  const { cwd, shell } = await newProject()
  const env = Object.entries(job.variables).map(([name, text]) => [
    name,
    text.replace('$CI_PROJECT_DIR', cwd).replace('30s', '0'),
  ])
  const lines = [...job.before_script, ...job.script].join('\n')
  const variables = { ...(Object.fromEntries(env) as Record<string, string>), CI: 'true' }
  const { exitCode, output } = await shell.bash(lines, cwd, variables)
  expect(exitCode, output).toBe(0)
  expect(output).toContain('42')
  await expectInstalled(cwd)
  expect(await readJson(join(cwd, 'catalog-report.json'))).toMatchObject({ gateway: 'own' })
  expect(await readdir(join(cwd, '.catalog-store'))).not.toContain('identity.key')
})

describe('runner-fleet', () => {
  test('the unit is one that systemd takes', async ({ skip }) => {
    if (spawnSync('systemd-analyze', ['--version']).error) skip('there is no systemd-analyze here')
    const text = exampleText('runner-fleet/catalog-p2p.service')
    // The program is not there, on this machine.
    const unit = text.replace('/usr/local/bin/catalog', process.execPath)
    expect(unit).not.toBe(text)
    const path = join(await workspace.folder('unit'), 'catalog-p2p.service')
    await writeFile(path, unit)
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' })
    expect(stderr).not.toContain('catalog-p2p.service')
    expect(status).toBe(0)
    // What `catalog service install` writes for one user says the same of how it ends.
    for (const key of ['Type', 'Restart', 'RestartPreventExitStatus', 'TimeoutStopSec']) {
      const line = new RegExp(`^${key}=.*$`, 'm')
      expect(line.exec(text)?.[0]).toBe(line.exec(systemdUnit(['/x']))?.[0])
    }
  })

  test('a job has a gateway of its own, and the daemon that has this configuration as a peer', async ({
    skip,
  }) => {
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, shell } = await newProject()
    const port = await freePort()
    const home = await workspace.folder('daemon')
    const config = ['--config', join(EXAMPLES, 'runner-fleet', 'config.yaml')]
    const args = [...ALONE, ...config, '--port', String(port), '--upstream', registry.url]
    await using daemon = await startDaemon({ args, home, port })
    const job = exampleText('runner-fleet/job.sh')
    const { exitCode, output } = await shell.bash(job, cwd, { CATALOG_PORT: String(port) })
    expect(exitCode, output).toBe(0)
    await expectInstalled(cwd)
    const report = await readJson(join(cwd, 'catalog-report.json'))
    expect(report).toMatchObject({ gateway: 'own', peers: 1 })
    expect((await daemon.status()).gateway.tarballs.origin.artifacts).toBe(0)
  })
})

describe('docker-compose', () => {
  const compose = yaml('docker-compose/compose.yaml') as unknown as {
    services: Record<'catalog' | 'install', Values & { environment: Record<string, string> }>
    volumes: Values
  }

  test('refers only to what there is', () => {
    const { catalog, install } = compose.services
    expect(catalog.volumes).toEqual(['store:/store'])
    expect(Object.keys(compose.volumes)).toEqual(['store'])
    const condition = { condition: 'service_healthy', required: false }
    expect(install.depends_on).toEqual({ catalog: condition })
    expect(catalog).toHaveProperty('healthcheck')
    const dockerfile = exampleText('docker-compose/Dockerfile')
    expect(dockerfile).toMatch(/^ENV CATALOG_STORE=\/store$/m)
    expect(dockerfile).toMatch(/^ENTRYPOINT \["catalog"\]$/m)
  })

  test('a daemon with these options answers to the name that others have for it', async () => {
    const { catalog, install } = compose.services
    const words = catalog.command as string[]
    const { config } = await parseCatalog(words)
    expect(config.gateway).toMatchObject({ addresses: ['0.0.0.0'], allowedHosts: ['catalog'] })
    const port = await freePort()
    const rest = words.slice(1).filter((word) => !word.startsWith('--host='))
    const home = await workspace.folder('home')
    const args = [...rest, ...ALONE, '--port', String(port), '--upstream', registry.url]
    await using daemon = await startDaemon({ args, home, port })
    expect(daemon.url).toContain(String(port))
    const urls = Object.values(install.environment).filter((value) => value.includes('//'))
    expect(urls).toHaveLength(3)
    for (const url of urls) expect(await statusAs(new URL(url).host, port)).toBe(200)
    expect(await statusAs('somebody.example:4874', port)).toBe(403)
    const check = (catalog.healthcheck as { test: string[] }).test.slice(1)
    const [, ...rightPort] = check.map((word) => word.replace(':4874/', `:${port}/`))
    expect(() => execFileSync(process.execPath, rightPort)).not.toThrow()
    const [, ...wrongPort] = check.map((word) => word.replace(':4874/', ':1/'))
    expect(() => execFileSync(process.execPath, wrongPort)).toThrow()
  })
})

describe('kubernetes', () => {
  const documents = parseAllDocuments(exampleText('kubernetes/daemonset.yaml')) as ReturnType<
    typeof parseDocument
  >[]
  const objects = documents.map(toValues)
  const find = (kind: string) => objects.find((each) => each.kind === kind) as never
  interface Container {
    readonly name: string
    readonly image: string
    readonly args: string[]
    readonly ports: { name: string; containerPort: number; protocol: string }[]
    readonly volumeMounts: { name: string }[]
    readonly readinessProbe: { httpGet: { path: string; port: string } }
  }
  const daemonSet = find('DaemonSet') as {
    spec: {
      selector: { matchLabels: Values }
      template: {
        metadata: { labels: Values }
        spec: { containers: Container[]; initContainers: Container[]; volumes: { name: string }[] }
      }
    }
  }
  const service = find('Service') as {
    metadata: { name: string }
    spec: { selector: Values; ports: { port: number; protocol: string }[] }
  }
  const { template, selector } = daemonSet.spec
  const [container] = template.spec.containers

  test('refers only to what there is', () => {
    expect(selector.matchLabels).toEqual(template.metadata.labels)
    expect(service.spec.selector).toEqual(template.metadata.labels)
    const volumes = template.spec.volumes.map(({ name }) => name)
    for (const each of [...template.spec.containers, ...template.spec.initContainers]) {
      for (const { name } of each.volumeMounts) expect(volumes).toContain(name)
    }
    const ports = container?.ports ?? []
    expect(ports.map(({ name }) => name)).toContain(container?.readinessProbe.httpGet.port)
    for (const { port, protocol } of service.spec.ports) {
      const offered = ports.map(({ containerPort, protocol: by }) => `${containerPort} ${by}`)
      expect(offered).toContain(`${port} ${protocol}`)
    }
    const images = yaml('kubernetes/kustomization.yaml').images as { name: string }[]
    expect(images.map(({ name }) => name)).toEqual([container?.image])
  })

  test('the daemon takes its options, and finds its like by the service', async () => {
    const { config } = await parseCatalog(container?.args ?? [])
    const namespace = yaml('kubernetes/kustomization.yaml').namespace as string
    for (const address of config.node.network?.bootstrap ?? []) {
      expect(address).toContain(`/dns4/${service.metadata.name}.${namespace}.svc/`)
    }
    expect(config.node.network?.bootstrap).toHaveLength(2)
  })

  test('kubectl renders it', async ({ skip }) => {
    const reason = whyNoKubeTools()
    if (reason !== undefined) skip(reason)
    const args = ['kustomize', join(EXAMPLES, 'kubernetes')]
    const ran = spawnSync(await kubeTool('kubectl'), args, { encoding: 'utf8' })
    expect(ran.stderr).toBe('')
    expect(ran.stdout).toContain('image: images.example.com/catalog-p2p:0.1.0')
    const rendered = (parseAllDocuments(ran.stdout) as ReturnType<typeof parseDocument>[]).map(
      toValues,
    )
    expect(rendered.map(({ kind }) => kind).toSorted()).toEqual([
      'DaemonSet',
      'Namespace',
      'Service',
    ])
  })

  interface JobStep extends Container {
    readonly env: { name: string; value?: string }[]
    readonly command: string[]
    readonly workingDir: string
    readonly volumeMounts: { name: string; mountPath: string }[]
  }
  const { spec } = (
    yaml('kubernetes/job.yaml') as {
      spec: {
        template: {
          spec: { initContainers: JobStep[]; containers: JobStep[]; volumes: { name: string }[] }
        }
      }
    }
  ).spec.template
  const [install] = spec.containers

  test('the job installs what the step before it has put there', async ({ skip }) => {
    const [source] = spec.initContainers
    expect(source?.volumeMounts).toEqual(install?.volumeMounts)
    expect(spec.volumes.map(({ name }) => name)).toEqual(
      install?.volumeMounts.map(({ name }) => name),
    )
    expect(install?.workingDir).toBe(install?.volumeMounts[0]?.mountPath)
    const variable = source?.env.find(({ name }) => name === 'REPOSITORY')
    expect(variable?.value).toMatch(/^https:/)
    if (unavailable !== undefined) skip(unavailable)
    const { cwd, shell } = await newProject()
    const git = (...args: string[]) => {
      const author = ['-c', 'user.name=x', '-c', 'user.email=x@example.com']
      execFileSync('git', [...author, ...args], { cwd, env: { ...process.env, ...shell.env } })
    }
    git('init', '-q')
    git('add', '.')
    git('commit', '-qm', 'x')
    const work = await workspace.folder('work')
    const inWork = (words: readonly string[] = []): string =>
      words.map((word) => `'${word.replaceAll('/work', work)}'`).join(' ')
    const line = inWork(source?.command).replaceAll('$(REPOSITORY)', `file://${cwd}`)
    const cloned = await shell.bash(`${line}\n${inWork(install?.command)}`, work)
    expect(cloned.exitCode, cloned.output).toBe(0)
    await expectInstalled(work)
  })

  test('the job asks the daemon of its own node', () => {
    const env = install?.env ?? []
    expect(env[0]).toMatchObject({ name: 'HOST_IP' })
    const urls = env.filter(({ value }) => value?.includes('//'))
    expect(urls.map(({ value }) => value?.replace(/\/$/, ''))).toEqual(
      urls.map(() => 'http://$(HOST_IP):4874'),
    )
  })
})

test('office-lan: set up and undone without a trace', async ({ skip }) => {
  if (unavailable !== undefined) skip(unavailable)
  if (process.platform !== 'linux') skip('the service here is the one of systemd')
  const { cwd, shell } = await newProject()
  await shell.program('systemctl', 'exit 0')
  const before = await filesOf(shell.home)
  const setUp = await shell.bash(exampleText('office-lan/setup.sh'), cwd)
  expect(setUp.exitCode, setUp.output).toBe(0)
  const during = await filesOf(shell.home)
  expect(during['.npmrc']).toContain(`registry=http://127.0.0.1:${shell.env.CATALOG_PORT}/`)
  expect(during['config/systemd/user/catalog-p2p.service']).toContain('"--private-scope=@acme"')
  // What the page has people do in networks without multicast keeps what setup.sh has set.
  const words = (path: string) =>
    catalogLines(path).find((line) => line[1] === 'install' && line.length > 3) ?? []
  const more = words('office-lan/README.md')
  expect(more).toEqual(expect.arrayContaining(words('office-lan/setup.sh')))
  const again = await shell.bash(['catalog', ...more].join(' '), cwd)
  expect(again.exitCode, again.output).toBe(0)
  expect(again.output).not.toContain('dropped')
  const undone = await shell.bash(exampleText('office-lan/undo.sh'), cwd)
  expect(undone.exitCode, undone.output).toBe(0)
  expect(await filesOf(shell.home)).toEqual(before)
})

test('offline-laptop: before, and then without a registry', async ({ skip }) => {
  if (unavailable !== undefined) skip(unavailable)
  const { cwd, shell } = await newProject()
  const before = await shell.bash(exampleText('offline-laptop/before.sh'), cwd)
  expect(before.exitCode, before.output).toBe(0)
  await registry.stop()
  try {
    const offline = await shell.bash(exampleText('offline-laptop/offline.sh'), cwd)
    expect(offline.exitCode, offline.output).toBe(0)
    await expectInstalled(cwd)
  } finally {
    await registry.restart()
  }
})

describe('verdaccio-cluster', () => {
  const names = ['a', 'b'] as const
  const configs = names.map((name) => yaml(`verdaccio-cluster/config-${name}.yaml`))
  const pluginOf = (config: Values): Values =>
    (config.middlewares as Values)['catalog-p2p'] as Values

  test('is configured as the plugin wants it', () => {
    for (const config of configs) {
      const place = { folder: '/etc/verdaccio', storage: undefined }
      expect(parseOptions(pluginOf(config), place)).toMatchObject({ ok: true })
    }
  })

  test('gives from one to the other what no registry is there for', async ({ skip }) => {
    if (unavailable !== undefined) skip(unavailable)
    const start = async (config: Values, bootstrap: readonly string[]) => {
      const { public: uplink } = config.uplinks as { public: Values }
      const uplinks = { public: { ...uplink, url: `${registry.url}/` } }
      const plugin = { ...pluginOf(config), network: quietNetwork(bootstrap), status: 'full' }
      const folder = await workspace.folder('verdaccio')
      return startVerdaccio({ folder, config: { ...config, uplinks }, plugin })
    }
    await using a = await start(configs[0] ?? {}, [])
    const { node } = await nodeIsUp(a)
    const one = await newProject()
    await mustRunClient('npm-12', ['ci'], {
      cwd: one.cwd,
      home: one.shell.home,
      registry: a.url,
      env: REPLACE,
    })
    await using b = await start(configs[1] ?? {}, node?.addresses ?? [])
    await nodeIsUp(b)
    // Metadata that b has seen; the packages themselves it has not.
    for (const name of new Set(packages.map((each) => each.name))) {
      await (await fetch(`${b.url}/${name.replace('/', '%2f')}`)).arrayBuffer()
    }
    await registry.stop()
    try {
      const two = await newProject()
      await mustRunClient('npm-12', ['ci'], {
        cwd: two.cwd,
        home: two.shell.home,
        registry: b.url,
        env: REPLACE,
      })
      expect(await readInstalled(two.cwd)).toEqual(asInstalled(packages, expected))
      expect((await b.status()).tarballs.peer.artifacts).toBe(expected.size)
    } finally {
      await registry.restart()
    }
  })
})

/** As the daemon reads it; in bytes. */
async function quotaOf(text = ''): Promise<number | undefined> {
  return (await parseCatalog(['start', `--quota=${text}`])).config.node.store?.quotaBytes
}

/** The lockfile names the registry itself, which npm replaces by whatever it is configured with only if told to. */
const REPLACE = { npm_config_replace_registry_host: 'always' }

/** What the daemon on `port` answers to somebody who knows it by another name. */
function statusAs(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path: '/fx-leaf', headers: { host }, agent: false }
    const asked = request(options, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asked.once('error', reject).end()
  })
}

/** Every file of the user's, by path; not what programs leave in caches. */
async function filesOf(home: string): Promise<Record<string, string>> {
  const found = await readdir(home, { recursive: true, withFileTypes: true })
  const paths = found
    .filter((entry) => entry.isFile())
    .map((entry) => relative(home, join(entry.parentPath, entry.name)))
    .filter((path) => !/^(cache|npm-cache|tmp|bin)[/\\]/.test(path))
  const texts = await Promise.all(
    paths.map(async (path) => [path, await readFile(join(home, path), 'utf8')] as const),
  )
  return Object.fromEntries(texts)
}
