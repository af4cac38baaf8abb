/**
 * Question: how fast is one large artifact, hashed, verified and stored, from one and from three providers, over QUIC and over
 * carriers, each relative to a bare stream of the same kind? Those ceilings run in the same round, because virtual machines are
 * noisy. With a line, the getter and each provider are machines of their own.
 */
import type { Line } from '../test/support/machines/namespaces.ts'
import type { Carrier } from './lib/bare-stream-child.ts'
import { fill } from './lib/fill.ts'
import { waitForInventories } from './lib/inventories.ts'
import { withLoad, type Load } from './lib/load.ts'
import { LOOPBACK, lineShare, type BenchMachine } from './lib/machine.ts'
import { MB, noteGoal, ratios, summarize, summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { Stage, type StartedNode } from './lib/stage.ts'

const WARM_UP_BYTES = 30 * MB
const WARM_UP_SEED = 1_000_000
const PROVIDERS = 3

interface Got {
  readonly bytes: number
  readonly ms: number
  readonly cpuMs: number
}

type Kind = 'QUIC' | 'carrier'
type Path = 'bare stream' | 'one provider' | 'three providers'

/** What a bare stream of the kind is made of. */
const BARE: Readonly<Record<Kind, Carrier>> = { QUIC: 'quic', carrier: 'tls' }
const KINDS = Object.keys(BARE) as Kind[]
/** On loopback; README: limits that stand. */
const LIMITS: Readonly<Record<Kind, string>> = {
  QUIC: 'hashing alone leaves 0.78 on two cores',
  carrier: 'TLS, hashing and the disk alone leave 0.4 on two cores',
}
const PATHS: readonly Path[] = ['bare stream', 'one provider', 'three providers']

type Get = (digest: string, bytes: number) => Promise<Got>

interface Measured extends Got, Load {
  readonly kind: Kind
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
  const providers: StartedNode[] = []
  for (const [index, name] of names.entries()) {
    providers.push(await stage.startNode(name, { machine: providing[index] ?? LOOPBACK }))
  }
  const warmUp = await fill(providers, WARM_UP_SEED, WARM_UP_BYTES)
  // Warm, as the bare client is. Providers offer carriers to all, and a getter without them takes none.
  const startGetter = async (kind: Kind, count: number): Promise<Get> => {
    const carrier = kind === 'carrier'
    const { child } = await stage.startNode(`getter-${kind}-${count}`, {
      machine: getting,
      carrier,
    })
    await child.call(
      'connect',
      providers.slice(0, count).map(({ address }) => address),
    )
    await waitForInventories(child, count, 1)
    await child.call<Got>('get', warmUp)
    return (digest) => child.call<Got>('get', digest)
  }
  const ways: { kind: Kind; path: Path; get: Get }[] = []
  for (const kind of KINDS) {
    const from = providing[0] ?? LOOPBACK
    ways.push({ kind, path: 'bare stream', get: await startBare(stage, kind, [from, getting]) })
    ways.push({ kind, path: 'one provider', get: await startGetter(kind, 1) })
    ways.push({ kind, path: 'three providers', get: await startGetter(kind, PROVIDERS) })
  }
  const { child: first } = await stage.startNode('getter-first', { machine: getting })
  await first.call(
    'connect',
    providers.map(({ address }) => address),
  )
  await waitForInventories(first, PROVIDERS, 1)

  const measured: Measured[] = []
  const bytes = megabytes * MB
  for (let round = 0; round < rounds; round++) {
    const digest = await fill(providers, round, bytes)
    await first.call<Got>('get', digest) // once the providers have served it, their disks are at rest
    for (const { kind, path, get } of ways) {
      await stage.quiesce()
      const { value, load } = await withLoad(stage, () => get(digest, bytes))
      measured.push({ kind, path, ...value, ...load })
    }
  }
  print(measured, { rounds, megabytes, line })
  return { megabytes, line, measured }
}

/** A bare stream from one machine to the other; the result transfers a number of bytes. */
async function startBare(
  stage: Stage,
  kind: Kind,
  [from, to]: readonly [BenchMachine, BenchMachine],
): Promise<Get> {
  const server = stage.start('lib/bare-stream-child.ts', from)
  const client = stage.start('lib/bare-stream-child.ts', to)
  const carrier = BARE[kind]
  const { addresses } = await server.call<{ addresses: string[] }>('start', {
    ipv4: from.ipv4,
    carrier,
  })
  await client.call('start', { ipv4: to.ipv4, carrier })
  const get = (bytes: number): Promise<Got> =>
    client.call<Got>('get', { address: addresses[0], bytes })
  await get(WARM_UP_BYTES)
  return (_, bytes) => get(bytes)
}

function print(measured: readonly Measured[], { megabytes, line }: Options): void {
  const rate = ({ bytes, ms }: Got): number => bytes / MB / (ms / 1000)
  const of = (kind: Kind, path: Path): Measured[] =>
    measured.filter((each) => each.kind === kind && each.path === path)
  const ofBare = (kind: Kind, path: Path): number[] =>
    ratios(of(kind, path).map(rate), of(kind, 'bare stream').map(rate))
  const rows = KINDS.flatMap((kind) =>
    PATHS.map((path) => {
      const mine = of(kind, path)
      const percent = ofBare(kind, path).map((each) => 100 * each)
      const share = (of: Line): string =>
        `${summarizeBy(mine, ({ bytes, ms }) => lineShare(of, bytes, ms / 1000), 0)} %`
      return {
        over: kind === 'QUIC' ? 'QUIC' : 'a carrier',
        path,
        'MB/s': summarizeBy(mine, rate, 0),
        'of bare': path === 'bare stream' ? '100 %' : `${summarize(percent, 0)} %`,
        ...(line !== undefined && {
          'of the line': share(line),
          'packets dropped': summarizeBy(mine, ({ dropped }) => dropped, 0),
        }),
        "getter's CPU, s": summarizeBy(mine, ({ cpuMs }) => cpuMs / 1000, 2),
        'cores busy': `${summarizeBy(mine, ({ coresBusy }) => 100 * coresBusy, 0)} %`,
      }
    }),
  )
  console.log(toMarkdownTable(rows))
  const place = line === undefined ? 'on loopback' : 'over a line'
  for (const kind of KINDS) {
    const limit = line === undefined ? LIMITS[kind] : undefined
    for (const path of ['one provider', 'three providers'] as const) {
      const what = `${megabytes} MB from ${path} over ${kind === 'QUIC' ? kind : 'a carrier'} ${place}, of bare`
      noteGoal(what, ofBare(kind, path), { atLeast: 0.9 }, limit)
    }
  }
}
