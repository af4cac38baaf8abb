/**
 * Question: how much of a bare QUIC stream does one large artifact get, hashed, verified and stored, from one and from
 * three providers? The ceiling runs in the same round, because these machines are noisy.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild, type Child } from './lib/child.ts'
import { settle } from './lib/settle.ts'
import { OFFLINE, waitForInventories } from './lib/offline.ts'
import { formatSpread, spreadOf, toMarkdownTable } from './lib/measure.ts'

const MB = 1_000_000
const WARM_UP_BYTES = 30 * MB
const WARM_UP_SEED = 1_000_000

interface Got {
  readonly bytes: number
  readonly ms: number
  readonly cpuMs: number
}

export async function run(options: { rounds: number; megabytes: number }): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-bench-'))
  const children: Child[] = []
  const start = (script: string): Child => {
    const child = startChild(script)
    children.push(child)
    return child
  }
  try {
    const rawServer = start('lib/raw-quic-child.ts')
    const rawClient = start('lib/raw-quic-child.ts')
    const { addresses } = await rawServer.call<{ addresses: string[] }>('start')
    await rawClient.call('start')
    const providers = [0, 1, 2].map(() => start('lib/node-child.ts'))
    const providerAddresses: string[] = []
    for (const [index, provider] of providers.entries()) {
      const node = { network: OFFLINE, store: { path: join(folder, `provider-${index}`) } }
      const started = await provider.call<{ addresses: string[] }>('start', { node })
      providerAddresses.push(started.addresses.find((a) => a.includes('/quic-v1')) ?? '')
    }
    const bytes = options.megabytes * MB
    const warmUp = await fill(WARM_UP_SEED, WARM_UP_BYTES)
    // Like the bare client, each has been running since the morning.
    const fromOne = await startGetter('one', 1)
    const fromThree = await startGetter('three', 3)
    const first = await startGetter('first', 3)
    const raw: number[] = []
    const one: number[] = []
    const three: number[] = []
    const details: unknown[] = []
    for (let round = 0; round < options.rounds; round++) {
      const ceiling = await rawClient.call<Got>('get', { address: addresses[0], bytes })
      const digest = await fill(round, bytes)
      await first.call<Got>('get', digest) // the providers have served it before, and their disks are at rest
      await settle()
      const single = await fromOne.call<Got>('get', digest)
      await settle()
      const triple = await fromThree.call<Got>('get', digest)
      await settle()
      const rate = (got: Got): number => got.bytes / MB / (got.ms / 1000)
      raw.push(rate(ceiling))
      one.push(rate(single))
      three.push(rate(triple))
      details.push({ ceiling, single, triple })
    }
    const ratio = (values: number[]): string =>
      `${formatSpread(spreadOf(values.map((v, i) => (100 * v) / (raw[i] ?? NaN))), 0)} %`
    console.log(
      toMarkdownTable([
        { path: 'bare QUIC stream', 'MB/s': formatSpread(spreadOf(raw), 0), 'of bare': '100 %' },
        { path: 'one provider', 'MB/s': formatSpread(spreadOf(one), 0), 'of bare': ratio(one) },
        {
          path: 'three providers',
          'MB/s': formatSpread(spreadOf(three), 0),
          'of bare': ratio(three),
        },
      ]),
    )
    return { megabytes: options.megabytes, details }

    async function fill(seed: number, bytes: number): Promise<string> {
      let digest = ''
      for (const provider of providers) {
        digest = await provider.call<string>('putRandom', { bytes, seed })
      }
      return digest
    }

    async function startGetter(name: string, count: number): Promise<Child> {
      const getter = start('lib/node-child.ts')
      const path = join(folder, `getter-${name}`)
      await getter.call('start', { node: { network: OFFLINE, store: { path } } })
      await getter.call('connect', providerAddresses.slice(0, count))
      await waitForInventories(getter, count, 1)
      await getter.call<Got>('get', warmUp)
      return getter
    }
  } finally {
    for (const child of children) await child.close()
    await rm(folder, { recursive: true, force: true })
  }
}
