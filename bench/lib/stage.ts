/**
 * The surroundings of a benchmark: a folder, processes, and the machines they run on. Everything is removed with the stage, also
 * after a failure or an interrupt, in reverse order. Measures nothing itself.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NodeOptions } from '@catalog-p2p/core'
import type { GatewayOptions } from '@catalog-p2p/gateway'
import type { SelfSigned } from '../../test/support/features/features-certificate.ts'
import { createLan, type Line } from '../../test/support/machines/namespaces.ts'
import { startChild, type Child } from './child.ts'
import type { Corpus } from './corpus.ts'
import { LOOPBACK, machineAt, networkOf, type BenchMachine } from './machine.ts'
import { rest } from './rest.ts'
import type { Distance } from './upstream-child.ts'

export interface StartedNode {
  readonly child: Child
  /** Its QUIC address for the other machines. */
  readonly address: string
  /** Port of its gateway; NaN without one. */
  readonly port: number
}

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const

export class Stage implements AsyncDisposable {
  readonly folder: string
  readonly #stack = new AsyncDisposableStack()
  readonly #nodes: Child[] = []
  #disposed: Promise<void> | undefined
  #droppedPackets: () => Promise<number> = () => Promise.resolve(0)

  private constructor(folder: string) {
    this.folder = folder
    this.#stack.defer(() => rm(folder, { recursive: true, force: true }))
    for (const [signal, code] of Object.entries(SIGNALS)) {
      const onSignal = (): void => {
        void this[Symbol.asyncDispose]().finally(() => process.exit(code))
      }
      process.once(signal, onSignal)
      this.#stack.defer(() => void process.removeListener(signal, onSignal))
    }
  }

  static async open(): Promise<Stage> {
    return new Stage(await mkdtemp(join(tmpdir(), 'catalog-bench-')))
  }

  /**
   * A machine per name, each at its own end of such a line, or of the one that `others` says; without a line, all of them are
   * loopback.
   */
  async machines(
    names: readonly string[],
    line: Line | undefined,
    others: Readonly<Record<string, Line>> = {},
  ): Promise<BenchMachine[]> {
    if (line === undefined) return names.map(() => LOOPBACK)
    const making = createLan(names, line, others)
    // When it fails it removes itself, and the await below throws.
    this.defer(() =>
      making.then(
        (lan) => lan[Symbol.asyncDispose](),
        () => undefined,
      ),
    )
    const lan = await making
    this.#droppedPackets = () => lan.droppedPackets()
    return lan.machines.map(machineAt)
  }

  /** Dropped by all lines so far. */
  async droppedPackets(): Promise<number> {
    return await this.#droppedPackets()
  }

  /** `script` is relative to bench/. */
  start(script: string, machine: BenchMachine = LOOPBACK, flags: readonly string[] = []): Child {
    const child = startChild(script, machine, flags)
    this.defer(() => child.close())
    return child
  }

  /** A registry that serves these corpora. */
  async startUpstream(
    corpora: readonly Corpus[],
    options: {
      readonly machine?: BenchMachine
      readonly distance?: Distance
      /** Versions that its packuments have beside those of the corpora. */
      readonly oldVersions?: number
      /** They say when versions came out. */
      readonly hasTimes?: boolean
      /** It signs all versions. */
      readonly isSigned?: boolean
      /** For other machines too, on this port; its documents name it by loopback, where a relay takes it (relay-child.ts). */
      readonly openPort?: number
      /** It speaks TLS. */
      readonly tls?: SelfSigned
    } = {},
  ): Promise<{ child: Child; port: number; key: object | undefined }> {
    const { machine, ...served } = options
    const child = this.start('lib/upstream-child.ts', machine)
    const { port, key } = await child.call<{ port: number; key: object | undefined }>('start', {
      corpora,
      ...served,
    })
    return { child, port, key }
  }

  /** A node with its store in the folder `name`, and with a gateway if there are options for one. */
  async startNode(
    name: string,
    options: {
      readonly machine?: BenchMachine
      readonly gateway?: GatewayOptions
      /** Shares what the registry sends with the nodes beside it; true by default. */
      readonly fleet?: boolean
      /** Bytes between nodes go over carriers where they can; true by default. */
      readonly carrier?: boolean
      /** Beside what all nodes of benchmarks have. */
      readonly transfer?: NodeOptions['transfer']
      readonly store?: NodeOptions['store']
      /** Of Node. */
      readonly flags?: readonly string[]
    } = {},
  ): Promise<StartedNode> {
    const { machine = LOOPBACK, gateway, flags, fleet = true, carrier = true } = options
    const { transfer, store } = options
    const child = this.start('lib/node-child.ts', machine, flags)
    this.#nodes.push(child)
    const node = {
      network: { ...networkOf(machine), carrier },
      store: { path: join(this.folder, name), ...store },
      transfer: { fleet, ...transfer },
    }
    const { addresses, port = NaN } = await child.call<{ addresses: string[]; port?: number }>(
      'start',
      { node, gateway },
    )
    const address = addresses.find((each) => each.startsWith(`/ip4/${machine.ipv4}/udp/`))
    if (address === undefined) throw new Error(`${name} has only ${addresses.join(', ')}`)
    return { child, address, port }
  }

  /** Between a warm-up and a measurement: nodes have written and synced what they stored, and everything rests. */
  async quiesce(): Promise<void> {
    const running = this.#nodes.filter(({ isRunning }) => isRunning)
    await Promise.all(running.map((node) => node.call('flush')))
    await rest()
  }

  /** Runs when the stage is removed. */
  defer(end: () => Promise<void>): void {
    this.#stack.defer(end)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#stack.disposeAsync()
    return this.#disposed
  }
}
