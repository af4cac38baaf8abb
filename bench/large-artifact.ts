/**
 * Question: how fast is one large artifact, hashed, verified and stored, from one and from three providers, relative to a bare QUIC
 * stream? That ceiling runs in the same round, because virtual machines are noisy. With a line, the getter and each provider are
 * machines of their own.
 */
import type { Line } from '../test/support/namespaces.ts'
import type { Child } from './lib/child.ts'
import { waitForInventories } from './lib/inventories.ts'
import { withLoad, type Load } from './lib/load.ts'
import { LOOPBACK, lineShare, type BenchMachine } from './lib/machine.ts'
import { noteGoal, ratios, summarize, summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { quiesce } from './lib/quiesce.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

const MB = 1_000_000
const WARM_UP_BYTES = 30 * MB
const WARM_UP_SEED = 1_000_000
const PROVIDERS = 3

interface Got {
  readonly bytes: number
  readonly ms: number
  readonly cpuMs: number
}

type Path = 'bare QUIC stream' | 'one provider' | 'three providers'
interface Measured extends Got, Load {
  readonly path: Path
}

interface Options {
  readonly rounds: number
  readonly megabytes: number
  readonly line?: Line | undefined
}

export async function run({ rounds, megabytes, line }: Options): Promise<unknown> {
  await using stage = await Stage.open()
  const names = Array.from({ length: PROVIDERS }, (_, index) => `provider-${index}`)
  const [getting = LOOPBACK, ...providing] = await stage.machines(['getter', ...names], line)
  const bare = await startBare(stage, providing[0] ?? LOOPBACK, getting)
  const providers: StartedNode[] = []
  for (const [index, name] of names.entries()) {
    providers.push(await stage.startNode(name, { machine: providing[index] ?? LOOPBACK }))
  }
  const bytes = megabytes * MB
  const warmUp = await fill(providers, WARM_UP_SEED, WARM_UP_BYTES)
  // Warm, as the bare client is.
  const startGetter = async (name: string, count: number): Promise<Child> => {
    const { child } = await stage.startNode(`getter-${name}`, { machine: getting })
    await child.call(
      'connect',
      providers.slice(0, count).map(({ address }) => address),
    )
    await waitForInventories(child, count, 1)
    await child.call<Got>('get', warmUp)
    return child
  }
  const fromOne = await startGetter('one', 1)
  const fromThree = await startGetter('three', PROVIDERS)
  const first = await startGetter('first', PROVIDERS)

  const measured: Measured[] = []
  const measure = async (path: Path, get: () => Promise<Got>): Promise<void> => {
    const { value, load } = await withLoad(stage, get)
    measured.push({ path, ...value, ...load })
  }
  for (let round = 0; round < rounds; round++) {
    await measure('bare QUIC stream', () => bare(bytes))
    const digest = await fill(providers, round, bytes)
    await first.call<Got>('get', digest) // once the providers have served it, their disks are at rest
    await quiesce()
    await measure('one provider', () => fromOne.call<Got>('get', digest))
    await quiesce()
    await measure('three providers', () => fromThree.call<Got>('get', digest))
    await quiesce()
  }
  print(measured, line)
  return { megabytes, line, measured }
}

/** A bare stream from one machine to the other; the result transfers a number of bytes. */
async function startBare(
  stage: Stage,
  from: BenchMachine,
  to: BenchMachine,
): Promise<(bytes: number) => Promise<Got>> {
  const server = stage.start('lib/bare-stream-child.ts', from)
  const client = stage.start('lib/bare-stream-child.ts', to)
  const { addresses } = await server.call<{ addresses: string[] }>('start', {
    ipv4: from.ipv4,
    carrier: 'quic',
  })
  await client.call('start', { ipv4: to.ipv4, carrier: 'quic' })
  return (bytes) => client.call<Got>('get', { address: addresses[0], bytes })
}

async function fill(
  providers: readonly StartedNode[],
  seed: number,
  bytes: number,
): Promise<string> {
  let digest = ''
  for (const { child } of providers) digest = await child.call<string>('putRandom', { bytes, seed })
  return digest
}

function print(measured: readonly Measured[], line: Line | undefined): void {
  const of = (path: Path): Measured[] => measured.filter((each) => each.path === path)
  const rate = ({ bytes, ms }: Got): number => bytes / MB / (ms / 1000)
  const bare = of('bare QUIC stream').map(rate)
  const rows = [...new Set(measured.map(({ path }) => path))].map((path) => {
    const mine = of(path)
    const rates = mine.map(rate)
    const percent = ratios(rates, bare).map((each) => 100 * each)
    const share = (of: Line): string =>
      `${summarizeBy(mine, ({ bytes, ms }) => lineShare(of, bytes, ms / 1000), 0)} %`
    return {
      path,
      'MB/s': summarize(rates, 0),
      'of bare': path === 'bare QUIC stream' ? '100 %' : `${summarize(percent, 0)} %`,
      ...(line !== undefined && {
        'of the line': share(line),
        'packets dropped': summarizeBy(mine, ({ dropped }) => dropped, 0),
      }),
      "getter's CPU, s": summarizeBy(mine, ({ cpuMs }) => cpuMs / 1000, 2),
      'cores busy': `${summarizeBy(mine, ({ coresBusy }) => 100 * coresBusy, 0)} %`,
    }
  })
  console.log(toMarkdownTable(rows))
  const place = line === undefined ? 'on loopback' : 'over a line'
  const limit =
    line === undefined ? 'hashing alone leaves 0.78 on two cores (README: how to read)' : undefined
  for (const path of ['one provider', 'three providers'] as const) {
    const share = ratios(of(path).map(rate), bare)
    noteGoal(`200 MB from ${path} ${place}, of bare`, share, { atLeast: 0.9 }, limit)
  }
}
