/**
 * The story of docs/private-swarm.md, typed as it stands there, on three machines with no registry, and a fourth one outside, which
 * knows where they are and what it is looking for. What it is sent is looked at: what it hears by multicast, every byte that peers
 * send it once the encryption is off, and how many bytes come over its cable.
 */
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nameKeyOf, parseDigest } from '@catalog-p2p/core'
import { digestToBytes } from '../../core/src/content/digest.ts'
import { headKeyOf, registryOf } from '../../core/src/publications/head-key.ts'
import { eventually } from '../support/daemon.ts'
import { incompressibleBytes } from '../support/fixture-packages.ts'
import { startProgram, type Program } from '../support/json-lines.ts'
import {
  describeMachines,
  FIND_TIMEOUT_MS,
  PEER_PORT,
} from '../support/machines/machine-daemons.ts'
import { listenOn, type Ear } from '../support/machines/multicast-ear.ts'
import { whyNoNamespaces } from '../support/machines/namespaces.ts'
import { repositoryRoot } from '../support/source-tree.ts'
import {
  createStory,
  fingerprintIn,
  installedVersion,
  typedOn,
  type Story,
  type StoryMachine,
} from '../support/machines/story.ts'

const swarmPage = typedOn('docs/private-swarm.md')
const publishingPage = typedOn('docs/publishing.md')
const NAME = '@acme/tool'
const TAGS = ['long']
const TIMEOUT_MS = 120_000
const EAVESDROPPER = join(repositoryRoot, 'test', 'support', 'eavesdropper.ts')
/** So much that whoever gets a fourth of it has been told of it. */
const PACKAGE_BYTES = 2 * 1024 * 1024

const [first = '', second = ''] = swarmPage.blocks(
  'From the first machine to an install on the second',
)
const [rotation = ''] = swarmPage.blocks('Changing the key, and letting a machine go')
const [key = '', token = '', publish = '', others = ''] = publishingPage.blocks(
  'From a key to an install',
)
const [secondKey = ''] = publishingPage.blocks('A second machine that publishes')
const linesOf = (block: string): string[] => block.trim().split('\n')
const inviteIn = (text: string): string => /catalog-invite\S+/.exec(text)?.[0] ?? ''

describeMachines('a private swarm, with no registry', await whyNoNamespaces(), () => {
  let story: Story
  let a: StoryMachine
  let b: StoryMachine
  let c: StoryMachine
  let outsider: StoryMachine
  let ear: Ear
  let eavesdropper: Program
  let used = ''
  let lockfile = ''
  const words = { FINGERPRINT: '' }

  beforeAll(async () => {
    story = await createStory(['a', 'b', 'c', 'outsider'])
    const all = await story.machines()
    ;[a, b, c, outsider] = all as [StoryMachine, StoryMachine, StoryMachine, StoryMachine]
    ear = await listenOn(outsider.place)
    eavesdropper = startProgram(outsider.place, EAVESDROPPER)
  }, 300_000)
  afterAll(async () => {
    await eavesdropper?.[Symbol.asyncDispose]()
    await ear?.[Symbol.asyncDispose]()
    await story?.[Symbol.asyncDispose]()
  })

  const step = (name: string, run: () => Promise<void>): void =>
    test(name, { timeout: TIMEOUT_MS, tags: TAGS }, run)
  const app = (): Promise<string> => story.project('app', { name: 'app', private: true })

  step('one machine makes it, another one joins by a line', async () => {
    used = inviteIn(await a.type(first))
    const [join = '', start = '', members = ''] = linesOf(second)
    expect(await b.type(join, { paste: used })).toContain('joined private swarm "acme"')
    await b.type(start)
    const { id } = (await a.daemon().status()).node
    await eventually(async () => expect(await b.type(members)).toContain(id), FIND_TIMEOUT_MS)
  })

  step('what is published on the first is installed on the second', async () => {
    const [make = '', trust = ''] = linesOf(key)
    words.FINGERPRINT = fingerprintIn(await a.type(make))
    for (const each of [a, b, outsider]) await each.type(trust, { words })
    const bootstrap = `catalog start ${(await addressesOf(a, b)).map((one) => `--bootstrap ${one}`).join(' ')}`
    await outsider.type(bootstrap)
    await outsider.type(token)
    await a.type(token)
    const data = incompressibleBytes(PACKAGE_BYTES, NAME)
    const manifest = { name: NAME, version: '1.0.0', description: 'hammers, of the swarm' }
    const cwd = await story.project('tool', manifest, data)
    expect(await a.type(publish, { cwd })).toContain('(kept by 1 machine besides this one)')

    const there = await app()
    await a.type(`npm install ${NAME}`, { cwd: there })
    lockfile = await readFile(join(there, 'package-lock.json'), 'utf8')
    const here = await app()
    for (const file of ['package.json', 'package-lock.json']) {
      await copyFile(join(there, file), join(here, file))
    }
    await b.type(linesOf(second).at(-1) ?? '', { cwd: here })
    expect(await installedVersion(here, NAME)).toBe('1.0.0')
  })

  step('the first goes down: a third one joins by the second, and gets it', async () => {
    const join = linesOf(second)[0] ?? ''
    expect(await outsider.fails(join, { paste: used })).toMatch(/used before[^]*another invite/)
    await a.stop()
    const invite = inviteIn(await b.type(linesOf(first).at(-1) ?? ''))
    await c.type(join, { paste: invite })
    await c.type(linesOf(others).slice(0, 2).join('\n'), { words })
    await c.meets(b)
    const cwd = await app()
    await c.type(linesOf(others).slice(2).join('\n'), { cwd })
    expect(await installedVersion(cwd, NAME)).toBe('1.0.0')
  })

  step('its owner goes on from the second, and the third finds it', async () => {
    const [exporting = '', importing = ''] = linesOf(secondKey)
    await a.type(exporting)
    await copyFile(join(a.home, 'key.json'), join(b.home, 'key.json'))
    await b.type(importing)
    const manifest = { name: NAME, version: '2.0.0', description: 'hammers, of the swarm' }
    await b.type('catalog publish --tag next', { cwd: await story.project('tool', manifest) })
    await b.type(token)
    await b.type(publishingPage.line('npm dist-tag add @acme/tool@2.0.0 latest'))
    await eventually(async () => {
      const cwd = await app()
      await c.type(`npm install ${NAME}`, { cwd })
      expect(await installedVersion(cwd, NAME)).toBe('2.0.0')
    }, FIND_TIMEOUT_MS)
    expect(await c.type('catalog search hammers')).toContain(NAME)
  })

  step('a deprecation is shown there, and what is unpublished is gone', async () => {
    await b.type(publishingPage.line('npm deprecate @acme/tool@1.0.0 "use 2"'))
    const first = `npm install ${NAME}@1.0.0`
    await eventually(async () => {
      expect(await c.type(first, { cwd: await app() })).toMatch(/deprecated.*use 2/)
    }, FIND_TIMEOUT_MS)
    await b.type(publishingPage.line('npm unpublish @acme/tool@1.0.0'))
    await eventually(async () => {
      expect(await c.fails(first, { cwd: await app() })).toContain('1.0.0')
    }, FIND_TIMEOUT_MS)
  })

  step('the key is changed, and a machine leaves', async () => {
    const many = inviteIn(await b.type(rotation))
    await c.type(linesOf(second)[0] ?? '', { paste: many })
    await c.meets(b)
    await c.type(swarmPage.line('catalog swarm leave'))
    await eventually(async () => expect(await b.daemon().peers()).toEqual([]), FIND_TIMEOUT_MS)
  })

  step('the fourth machine has learned nothing, though it asked for it by name', async () => {
    const said = await outsider.fails(`npm install ${NAME}`, { cwd: await app() })
    expect(said).toContain(`nothing published by ${words.FINGERPRINT} can be found`)
    expect(await outsider.type('catalog search hammers')).toContain('nothing found')
    const { peers, store } = (await outsider.daemon().status()).node
    expect({ peers, artifacts: store.artifacts }).toEqual({ peers: 0, artifacts: 0 })
    expect(b.daemon().output()).toContain('swarm.outsider-refused')
  })

  step('nor by listening: to all machines, to each of them, and to its cable', async () => {
    for (const address of await addressesOf(b)) {
      expect(await eavesdropper.tell('knock', address)).toBe(0)
    }
    const heard = await heardBytes()
    expect(needlesIn(heard)).toEqual([])
    expect(heard.byteLength).toBeLessThan(1024)
    for (const each of [a, b, c]) {
      const multicast = ear.saidBy(each.place)
      expect(multicast).toContain('sealed')
      for (const secret of ['12D3Koo', 'dnsaddr', 'acmetool'])
        expect(multicast).not.toContain(secret)
    }
    expect(await receivedBytes(c)).toBeGreaterThan(PACKAGE_BYTES)
    expect(await receivedBytes(outsider)).toBeLessThan(PACKAGE_BYTES / 4)
  })

  step('(where a machine is not in a private swarm, all of that is heard)', async () => {
    expect(ear.saidBy(outsider.place)).toContain((await outsider.daemon().status()).node.id)
    const knocked = await eavesdropper.tell('knock', `/ip4/127.0.0.1/tcp/${PEER_PORT}`)
    expect(knocked).toBeGreaterThan(0)
    expect((await heardBytes()).includes('/catalog/transfer/')).toBe(true)
  })

  const heardBytes = async (): Promise<Buffer> =>
    Buffer.from(await eavesdropper.tell<string>('heard'), 'base64')

  /** Over its cable, whatever it was. */
  async function receivedBytes({ place }: StoryMachine): Promise<number> {
    const text = await place.run('ip', '-s', '-j', 'link', 'show', 'dev', 'eth0')
    const [card] = JSON.parse(text) as { stats64: { rx: { bytes: number } } }[]
    if (card === undefined) throw new Error(`no card: ${text}`)
    return card.stats64.rx.bytes
  }

  async function addressesOf(...machines: StoryMachine[]): Promise<string[]> {
    const all = await Promise.all(machines.map((each) => each.daemon().status()))
    return all.flatMap(({ node }) => node.addresses.filter((one) => one.startsWith('/ip4/10.')))
  }

  /** Which of what would give the package away is in there, as bytes or as text. */
  function needlesIn(bytes: Buffer): string[] {
    const publisher = words.FINGERPRINT as Parameters<typeof registryOf>[0]
    const integrity = /sha512-[\w+/=]+/.exec(lockfile)?.[0] ?? ''
    const keys = [
      headKeyOf({ name: NAME, publisher }),
      nameKeyOf({ registry: registryOf(publisher), name: NAME, version: '1.0.0' }),
    ].map((hex) => Buffer.from(hex, 'hex'))
    const digest = Buffer.from(digestToBytes(parseDigest(integrity)))
    const hashes = [...keys, digest].flatMap((hash) => [
      hash.subarray(0, 8),
      Buffer.from(hash.toString('hex').slice(0, 16)),
      Buffer.from(hash.toString('base64').slice(0, 12)),
    ])
    const texts = ['@acme', 'acme/tool', words.FINGERPRINT, 'hammers'].map((each) =>
      Buffer.from(each),
    )
    return [...texts, ...hashes].filter((each) => bytes.includes(each)).map(String)
  }
})
