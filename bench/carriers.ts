/**
 * Question: what does a byte cost at both ends, and how fast does it go, over each carrier that two peers could use: a stream of
 * libp2p's QUIC, of its TCP (noise, yamux), and one TLS 1.3 connection of node:tls? Nothing is verified or stored.
 */
import type { Line } from '../test/support/machines/namespaces.ts'
import type { Carrier } from './lib/bare-stream-child.ts'
import { withLoad, type Load } from './lib/load.ts'
import { LOOPBACK, lineShare } from './lib/machine.ts'
import { MB, summarizeBy, toMarkdownTable } from './lib/measure.ts'
import { Stage } from './lib/stage.ts'

const NAMES: Readonly<Record<Carrier, string>> = {
  quic: 'libp2p QUIC',
  tcp: 'libp2p TCP, noise, yamux',
  tls: 'TLS 1.3 over TCP',
}

interface Measured extends Load {
  readonly carrier: Carrier
  readonly bytes: number
  readonly ms: number
  readonly receiverCpuMs: number
  readonly senderCpuMs: number
}

interface Options {
  readonly rounds: number
  readonly megabytes: number
  readonly line?: Line | undefined
}

export async function run({ rounds, megabytes, line }: Options): Promise<unknown> {
  await using stage = await Stage.open()
  const [near = LOOPBACK, far = LOOPBACK] = await stage.machines(['receiver', 'sender'], line)
  const bytes = megabytes * MB
  const measured: Measured[] = []
  for (let round = 0; round < rounds; round++) {
    for (const carrier of Object.keys(NAMES) as Carrier[]) {
      const server = stage.start('lib/bare-stream-child.ts', far)
      const client = stage.start('lib/bare-stream-child.ts', near)
      const start = { ipv4: far.ipv4, carrier }
      const { addresses } = await server.call<{ addresses: string[] }>('start', start)
      await client.call('start', { ipv4: near.ipv4, carrier })
      const get = { address: addresses[0] ?? '', bytes }
      await client.call('get', { ...get, bytes: 30 * MB })
      const before = await server.call<number>('cpu')
      const { value, load } = await withLoad(stage, () =>
        client.call<{ bytes: number; ms: number; cpuMs: number }>('get', get),
      )
      const senderCpuMs = (await server.call<number>('cpu')) - before
      const { cpuMs: receiverCpuMs, ms } = value
      measured.push({ carrier, bytes, ms, receiverCpuMs, senderCpuMs, ...load })
      await client.close()
      await server.close()
    }
  }
  print(measured, line)
  return { megabytes, line, measured }
}

function print(measured: readonly Measured[], line: Line | undefined): void {
  const rows = (Object.keys(NAMES) as Carrier[]).map((carrier) => {
    const mine = measured.filter((each) => each.carrier === carrier)
    const cost = (of: (each: Measured) => number): string =>
      summarizeBy(mine, (each) => of(each) / (each.bytes / MB), 2)
    return {
      carrier: NAMES[carrier],
      'receiver, CPU ms/MB': cost(({ receiverCpuMs }) => receiverCpuMs),
      'sender, CPU ms/MB': cost(({ senderCpuMs }) => senderCpuMs),
      'MB/s': summarizeBy(mine, ({ bytes, ms }) => bytes / MB / (ms / 1000), 0),
      ...(line !== undefined && {
        'of the line': `${summarizeBy(mine, (each) => lineShare(line, each.bytes, each.ms / 1000), 0)} %`,
      }),
      'cores busy': `${summarizeBy(mine, ({ coresBusy }) => 100 * coresBusy, 0)} %`,
    }
  })
  console.log(toMarkdownTable(rows))
}
