/**
 * Real Turborepo and real pnpm on two machines of a swarm, over QUIC: what one has built the other need not, and what somebody has
 * put there who is not trusted, or what a tool's own key does not open, is a miss and never a failed build. Nx, which takes more
 * room, is run by `npm run bench -- build-results`.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { keyIdOf } from '@catalog-p2p/core'
import {
  buildTools,
  outputOf,
  runTool,
  toolKeys,
  whyNoTool,
  writeMonorepo,
  type BuildTool,
  type ToolRun,
} from '../support/build-tools.ts'
import { meet, type Machine } from '../support/machines/machine.ts'
import { ann, annsKey, BUILD_TOKEN, networkMachines } from '../support/machines/network-machine.ts'
import { keyOf } from '../support/registries/publishing.ts'

const world = await networkMachines()
afterAll(() => world[Symbol.asyncDispose]())

const bobsKey = keyOf('bob')
const options = { privateSwarm: true, buildResultsWaitMs: 10_000 } as const
const builder = await world.machine('builder', annsKey, {
  ...{ trust: `@build-results key ${ann}\n`, gateway: { ...options, buildResults: 'write' } },
})
const stranger = await world.machine('stranger', bobsKey, {
  ...{ trust: `@build-results key ${keyIdOf(bobsKey.publicKey)}\n` },
  gateway: { ...options, buildResults: 'write' },
})
const reader = await world.machine('reader', undefined, {
  ...{ trust: `@build-results key ${ann}\n`, gateway: { ...options, buildResults: 'read' } },
})
await Promise.all([meet(builder.node, reader.node, 0), meet(stranger.node, reader.node, 0)])

const PACKAGES = 2
const keys = toolKeys()
let checkouts = 0

/** In a new checkout and a new home, where nothing is cached. */
async function build(tool: BuildTool, machine: Machine, team: string): Promise<ToolRun> {
  const folder = join(world.folder, `checkout-${++checkouts}`)
  await writeMonorepo(folder, tool.name, { packages: PACKAGES, bytes: 1_000, cpuMs: 0 })
  const place = { url: `${machine.url}/-/catalog/builds/${team}`, token: BUILD_TOKEN }
  const run = await runTool(tool, { folder, home: `${folder}-home`, place })
  if (run.exitCode !== 0) throw new Error(run.output)
  for (let index = 0; index < PACKAGES; index += 1) {
    expect((await readFile(outputOf(folder, index), 'utf8')).length).toBeGreaterThan(1_000)
  }
  return run
}

const tools = buildTools(keys).filter(({ name }) => name !== 'Nx')
describe.each(tools)('$name', { tags: ['long'] }, (tool) => {
  const reason = whyNoTool(tool)
  const why = reason === undefined ? '' : ` (skipped: ${reason})`
  test.skipIf(reason !== undefined)(`builds once for both machines${why}`, async () => {
    const built = await build(tool, builder, 'acme')
    expect(built.cached, built.output).toBe(0)
    const before = reader.gateway.stats().builds.peer
    const read = await build(tool, reader, 'acme')
    expect(read.cached, read.output).toBe(PACKAGES)
    // pnpm's are several files each.
    expect(reader.gateway.stats().builds.peer).toBeGreaterThanOrEqual(before + PACKAGES)
  })

  test.skipIf(reason !== undefined)(
    `builds by itself what a stranger has put there${why}`,
    async () => {
      await build(tool, stranger, 'theirs')
      const before = reader.gateway.stats().builds.untrusted
      const read = await build(tool, reader, 'theirs')
      expect(read.cached, read.output).toBe(0)
      expect(reader.gateway.stats().builds.untrusted).toBeGreaterThanOrEqual(before + PACKAGES)
    },
  )

  test.skipIf(reason !== undefined)(
    `builds by itself what its own key does not open${why}`,
    async () => {
      const [other] = buildTools(toolKeys()).filter(({ name }) => name === tool.name)
      const read = await build(other ?? tool, reader, 'acme')
      expect(read.cached, read.output).toBe(0)
    },
  )
})
