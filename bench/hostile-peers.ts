/**
 * Question: what can lying peers cost an install, while the registry works? `npm ci` of five packages of some hundred bytes, with
 * nothing in npm's cache or the node's store: straight from the registry, through a gateway that knows no peer, beside one liar,
 * and beside three liars and an honest peer. A liar answers with a claim of 4 GiB and sends a chunk of it a second.
 */
import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { waitForInventories } from './lib/inventories.ts'
import { ratios, summarize, toMarkdownTable } from './lib/measure.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

const NAMES = ['small-a', 'small-b', 'small-c', 'small-d', 'small-e'] as const
const WARM_UP = 'warm-up'
const LIARS = 3
const INSTALL_DEADLINE_MS = 120_000

interface Registry {
  readonly url: string
  readonly integrities: readonly string[]
}

type Case = 'registry alone' | 'gateway, no peers' | 'one liar' | 'three liars, one honest peer'

export async function run(options: { rounds: number }): Promise<unknown> {
  await using stage = await Stage.open()
  const registry = await stage
    .start('lib/registry-child.ts')
    .call<Registry>('start', { names: [...NAMES, WARM_UP] })
  const npm = await prepareProject(stage.folder, registry.url)
  const seconds: Record<Case, number[]> = {
    'registry alone': [],
    'gateway, no peers': [],
    'one liar': [],
    'three liars, one honest peer': [],
  }
  await npm(registry.url) // npm itself is in the system's cache by now
  for (let round = 0; round < options.rounds; round++) {
    seconds['registry alone'].push(await npm(registry.url))
    for (const [name, liars, honest] of [
      ['gateway, no peers', 0, false],
      ['one liar', 1, false],
      ['three liars, one honest peer', LIARS, true],
    ] as const) {
      await using scene = await Stage.open()
      const gateway = await startGateway(scene, 'gateway', registry)
      if (honest) await joinHonest(scene, gateway, registry, npm)
      for (let count = 0; count < liars; count++) await joinLiar(scene, gateway, registry)
      await waitForInventories(gateway.child, liars + (honest ? 1 : 0), NAMES.length)
      await scene.quiesce()
      seconds[name].push(await npm(urlOf(gateway)))
    }
  }
  const alone = seconds['registry alone']
  console.log(
    toMarkdownTable(
      Object.entries(seconds).map(([what, values]) => ({
        'npm ci, five packages': what,
        seconds: summarize(values, 2),
        'of the registry alone': summarize(ratios(values, alone), 2),
      })),
    ),
  )
  return seconds
}

const urlOf = ({ port }: StartedNode): string => `http://127.0.0.1:${port}`

/** A node with a gateway that has answered one request, as one that runs since the morning has. */
async function startGateway(stage: Stage, name: string, registry: Registry): Promise<StartedNode> {
  const node = await stage.startNode(name, { gateway: { port: 0, upstream: `${registry.url}/` } })
  for (const path of [WARM_UP, `${WARM_UP}/-/${WARM_UP}-1.0.0.tgz`]) {
    const response = await fetch(`${urlOf(node)}/${path}`)
    if (!response.ok) throw new Error(`${path}: ${response.status}`)
    await response.arrayBuffer()
  }
  return node
}

async function joinHonest(
  stage: Stage,
  gateway: StartedNode,
  registry: Registry,
  npm: (registryUrl: string) => Promise<number>,
): Promise<void> {
  const honest = await startGateway(stage, 'honest', registry)
  await npm(urlOf(honest))
  await gateway.child.call('connect', [honest.address])
}

async function joinLiar(stage: Stage, gateway: StartedNode, registry: Registry): Promise<void> {
  const { integrities } = registry
  await stage.start('lib/liar-child.ts').call('start', { integrities, victim: gateway.address })
}

/** A project with a lockfile that names no registry. Returns a cold install of it, in seconds. */
async function prepareProject(
  folder: string,
  registryUrl: string,
): Promise<(registryUrl: string) => Promise<number>> {
  const project = join(folder, 'project')
  const cache = join(folder, 'npm-cache')
  await mkdir(project)
  const dependencies = Object.fromEntries(NAMES.map((name) => [name, '1.0.0']))
  await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, dependencies }))
  const npm = async (args: readonly string[], registry: string): Promise<void> => {
    const env = {
      ...{ PATH: process.env['PATH'], SystemRoot: process.env['SystemRoot'] },
      ...{ HOME: folder, USERPROFILE: folder, npm_config_cache: cache },
      npm_config_registry: `${registry}/`,
    }
    const isWindows = process.platform === 'win32'
    const quiet = ['--no-audit', '--no-fund', '--no-update-notifier']
    await promisify(execFile)(isWindows ? 'npm.cmd' : 'npm', [...args, ...quiet], {
      ...{ cwd: project, env, shell: isWindows, timeout: INSTALL_DEADLINE_MS },
    })
  }
  await npm(['install', '--package-lock-only', '--omit-lockfile-registry-resolved'], registryUrl)
  return async (from) => {
    await rm(join(project, 'node_modules'), { recursive: true, force: true })
    await rm(cache, { recursive: true, force: true })
    const startedMs = performance.now()
    await npm(['ci'], from)
    return (performance.now() - startedMs) / 1000
  }
}
