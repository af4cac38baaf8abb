/**
 * The story of docs/publishing.md, typed as it stands there, on three machines of one network with no registry anywhere: empty
 * homes, the packed catalog, real clients. Published on the first, installed on the second by each client, on the third when the
 * first has gone; then its owner goes on from the second.
 */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mustRunClient } from '../support/client.ts'
import type { ClientName } from '../support/clients.ts'
import { eventually } from '../support/daemon.ts'
import { describeMachines, FIND_TIMEOUT_MS } from '../support/machines/machine-daemons.ts'
import { whyNoNamespaces } from '../support/machines/namespaces.ts'
import {
  createStory,
  fingerprintIn,
  installedVersion,
  typedOn,
  type Story,
  type StoryMachine,
} from '../support/machines/story.ts'

const { blocks, line } = typedOn('docs/publishing.md')
const NAME = '@acme/tool'
const TAGS = ['long']
const TIMEOUT_MS = 120_000
/** Besides npm, which types what the page says. */
const OTHERS: readonly ClientName[] = ['pnpm-12', 'yarn-1', 'yarn-4', 'bun', 'deno']

const [key = '', token = '', publish = '', others = ''] = blocks('From a key to an install')
const [secondKey = ''] = blocks('A second machine that publishes')

describeMachines('packages of the network, with no registry', await whyNoNamespaces(), () => {
  let story: Story
  let a: StoryMachine
  let b: StoryMachine
  let c: StoryMachine
  const words = { FINGERPRINT: '' }

  beforeAll(async () => {
    story = await createStory(['a', 'b', 'c'])
    ;[a, b, c] = (await story.machines()) as [StoryMachine, StoryMachine, StoryMachine]
  }, 300_000)
  afterAll(() => story?.[Symbol.asyncDispose]())

  const step = (name: string, run: () => Promise<void>): void =>
    test(name, { timeout: TIMEOUT_MS, tags: TAGS }, run)
  const tool = (version: string): Promise<string> =>
    story.project('tool', { name: NAME, version, description: 'hammers, of the network' })
  /** What npm installs there, in a project that has nothing yet. */
  const installed = async (at: StoryMachine, wanted = NAME): Promise<string> => {
    const cwd = await story.project('app', { name: 'app', private: true })
    await at.type(`npm install ${wanted}`, { cwd })
    return await installedVersion(cwd, NAME)
  }

  step('npm publishes it on the first machine, and another one keeps it', async () => {
    const [make = '', ...rest] = key.split('\n')
    words.FINGERPRINT = fingerprintIn(await a.type(make))
    await b.type(others.split('\n').slice(0, 2).join('\n'), { words })
    await a.type(rest.join('\n'), { words })
    await a.meets(b)
    await a.type(token)
    const said = await a.type(publish, { cwd: await tool('1.0.0') })
    expect(said).toContain(`published to the network as ${words.FINGERPRINT}: catalog:${NAME}@1.0`)
    expect(said).toContain('(kept by 1 machine besides this one)')
  })

  step('each client installs it on the second machine', async () => {
    const cwd = await story.project('app', { name: 'app', private: true })
    await b.type(others, { cwd, words })
    expect(await installedVersion(cwd, NAME)).toBe('1.0.0')
    for (const client of OTHERS) expect(await addedBy(client)).toEqual({ client, is: '1.0.0' })
  })

  async function addedBy(client: ClientName): Promise<{ client: ClientName; is: string }> {
    const cwd = await story.project(client, { name: 'app', private: true })
    const home = await story.folder(`home-of-${client}`)
    const { url } = b.daemon()
    const run = { cwd, home, registry: url, prefix: b.place.prefix }
    const args =
      client === 'deno' ? line(`deno add --minimum-dependency-age=0 npm:${NAME}`) : `add ${NAME}`
    const env = { YARN_NPM_MINIMAL_AGE_GATE: '0' }
    await mustRunClient(client, args.replace('deno ', '').split(' '), { ...run, env })
    return { client, is: await installedVersion(cwd, NAME) }
  }

  step('the first machine goes down: the third one gets it from the second', async () => {
    await a.stop()
    const cwd = await story.project('app', { name: 'app', private: true })
    await c.type(others.split('\n').slice(0, 3).join('\n'), { words })
    await c.meets(b)
    await c.type(others.split('\n').slice(3).join('\n'), { cwd })
    expect(await installedVersion(cwd, NAME)).toBe('1.0.0')
  })

  step('its owner goes on from the second machine: a version, a tag moved', async () => {
    const [exporting = '', importing = ''] = secondKey.split('\n')
    await a.type(exporting)
    await copyFile(join(a.home, 'key.json'), join(b.home, 'key.json'))
    expect(await b.type(importing)).toContain(words.FINGERPRINT)
    await b.type(token)
    const cwd = await tool('2.0.0')
    expect(await b.type('npm publish --tag next', { cwd })).toContain('(kept by 1 machine')
    expect(await installed(c)).toBe('1.0.0')
    await b.type(line('npm dist-tag add @acme/tool@2.0.0 latest'), { cwd })
    await eventually(async () => expect(await installed(c)).toBe('2.0.0'), FIND_TIMEOUT_MS)
  })

  step(
    'a deprecation is shown, what is unpublished is gone, and search finds the rest',
    async () => {
      await b.type(line('npm deprecate @acme/tool@1.0.0 "use 2"'))
      await eventually(async () => {
        const said = await c.type('npm install @acme/tool@1.0.0', {
          cwd: await story.folder('app'),
        })
        expect(said).toMatch(/deprecated.*use 2/)
      }, FIND_TIMEOUT_MS)
      await b.type(line('npm unpublish @acme/tool@1.0.0'))
      await eventually(async () => {
        expect(await c.fails('npm install @acme/tool@1.0.0')).toContain('1.0.0')
      }, FIND_TIMEOUT_MS)
      expect(await installed(c)).toBe('2.0.0')
      for (const search of ['catalog search hammers', 'npm search hammers']) {
        expect(await c.type(search)).toContain(NAME)
      }
    },
  )

  step('and the first machine, back again, takes over what is newer', async () => {
    await a.type('catalog start')
    await a.meets(b)
    expect(await a.type('npm view @acme/tool versions --json')).not.toContain('1.0.0')
  })
})
