/**
 * Question: how long does it take from `npm publish` on one machine until another one, which asks by name, gets the first byte? Packages
 * of 100 KB without a registry, between two connected machines over QUIC: pushed to the other as it is by default, and found by it
 * (`--replication 0`). Beside a Verdaccio that the one publishes to and the other fetches from. All on loopback, with the requests
 * that npm sends.
 */
import { generateKey } from '@catalog-p2p/core'
import { createHash, randomBytes } from 'node:crypto'
import { packTarball } from '../test/support/tarball.ts'
import { waitForInventories } from './lib/inventories.ts'
import { LOOPBACK } from './lib/machine.ts'
import { summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { startNetworkMachine } from './lib/network-machine.ts'
import { startReplayClient } from './lib/replay-client.ts'
import { startVerdaccio } from './lib/rivals.ts'
import { Stage } from './lib/stage.ts'

const PACKAGES = 10
const BYTES = 100_000
const TOKEN = 'a-token-for-this-bench-only'
const FOUND_DEADLINE_MS = 20_000

interface Sample {
  readonly way: string
  /** From the beginning of the publisher's request, milliseconds: its answer is there, and the other machine has a byte. */
  readonly answeredMs: number
  readonly firstByteMs: number
}

export async function run(options: { rounds: number }): Promise<unknown> {
  const samples: Sample[] = []
  for (let round = 0; round < options.rounds; round += 1) {
    samples.push(...(await measureNetwork('pushed', 3)), ...(await measureNetwork('found', 0)))
    samples.push(...(await measureVerdaccio()))
  }
  const rows = [...Map.groupBy(samples, ({ way }) => way)].map(([way, all]) => ({
    way,
    'publish answered, ms': summarizeBy(all, ({ answeredMs }) => answeredMs, 0),
    'then first byte elsewhere, ms': summarizeBy(
      all,
      ({ answeredMs, firstByteMs }) => firstByteMs - answeredMs,
      0,
    ),
    'together, ms': summarizeBy(all, ({ firstByteMs }) => firstByteMs, 0),
  }))
  console.log(toMarkdownTable(rows))
  return samples
}

async function measureNetwork(way: string, replication: number): Promise<Sample[]> {
  await using stage = await Stage.open()
  const secret = generateKey().exportSecret()
  const how = { secret, token: TOKEN, replication }
  const publisher = await startNetworkMachine(stage, 'publisher', how)
  const other = await startNetworkMachine(stage, 'other', how)
  await other.child.call('connect', publisher.addresses)
  await waitForInventories(other.child, 1, 0)
  return await measureAll(way, urlOf(publisher), urlOf(other))
}

const urlOf = ({ port }: { port: number }): string => `http://127.0.0.1:${port}`

async function measureVerdaccio(): Promise<Sample[]> {
  await using stage = await Stage.open()
  const upstream = await stage.startUpstream([])
  const client = startReplayClient(stage)
  const verdaccio = await startVerdaccio(urlOf(upstream), { stage, machine: LOOPBACK, client })
  if (verdaccio === undefined) return []
  const url = urlOf(verdaccio)
  return await measureAll('Verdaccio', url, url)
}

/** The first is for warming up. */
async function measureAll(way: string, at: string, elsewhere: string): Promise<Sample[]> {
  const samples: Sample[] = []
  for (let index = 0; index <= PACKAGES; index += 1) {
    const sample = await publishAndFetch(`@acme/tool-${index}`, at, elsewhere)
    if (index > 0) samples.push({ way, ...sample })
  }
  return samples
}

async function publishAndFetch(
  name: string,
  at: string,
  elsewhere: string,
): Promise<Omit<Sample, 'way'>> {
  const version = '1.0.0'
  const tarball = packTarball([
    { path: 'package.json', content: JSON.stringify({ name, version }) },
    { path: 'data', content: randomBytes(BYTES) },
  ])
  const body = JSON.stringify(documentOf({ name, version, tarball, at }))
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` }
  const path = name.replace('/', '%2f')
  const startedMs = performance.now()
  const answer = await fetch(`${at}/${path}`, { method: 'PUT', headers, body })
  await answer.arrayBuffer()
  if (answer.status !== 201) throw new Error(`${name} was not published: ${answer.status}`)
  const answeredMs = performance.now() - startedMs
  const location = await findTarball(`${elsewhere}/${path}`)
  const reader = (await fetch(location)).body?.getReader()
  await reader?.read()
  const firstByteMs = performance.now() - startedMs
  await reader?.cancel()
  return { answeredMs, firstByteMs }
}

/** What npm sends. */
function documentOf(release: {
  readonly name: string
  readonly version: string
  readonly tarball: Buffer
  readonly at: string
}): object {
  const { name, version, tarball, at } = release
  const hash = (algorithm: string) => createHash(algorithm).update(tarball)
  const dist = {
    integrity: `sha512-${hash('sha512').digest('base64')}`,
    shasum: hash('sha1').digest('hex'),
    tarball: `${at}/${name}/-/${name}-${version}.tgz`,
  }
  const attachment = {
    content_type: 'application/octet-stream',
    data: tarball.toString('base64'),
    length: tarball.byteLength,
  }
  return {
    ...{ _id: name, name, access: null, 'dist-tags': { latest: version } },
    versions: { [version]: { name, version, _id: `${name}@${version}`, dist } },
    _attachments: { [`${name}-${version}.tgz`]: attachment },
  }
}

/** As npm finds it: by the metadata, which is asked for until it is there. */
async function findTarball(url: string): Promise<string> {
  const deadline = performance.now() + FOUND_DEADLINE_MS
  while (performance.now() < deadline) {
    const response = await fetch(url)
    const { versions } = (await response.json()) as {
      versions?: Record<string, { dist: { tarball: string } }>
    }
    const found = versions?.['1.0.0']?.dist.tarball
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error(`${url} was not found in time`)
}
