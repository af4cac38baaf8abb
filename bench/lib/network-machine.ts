/** Starts machines of a network without a registry on loopback (network-child.ts): one that publishes, others that trust it. */
import { join } from 'node:path'
import type { Child } from './child.ts'
import { LOOPBACK, networkOf } from './machine.ts'
import type { NetworkMachineOptions } from './network-child.ts'
import type { Stage } from './stage.ts'

export interface StartedMachine {
  readonly child: Child
  /** Of QUIC. */
  readonly addresses: readonly string[]
  /** Of its registry. */
  readonly port: number
}

/** The one called `publisher` holds the key. */
export async function startNetworkMachine(
  stage: Stage,
  name: string,
  how: Pick<NetworkMachineOptions, 'secret' | 'token' | 'replication'> & {
    readonly flags?: readonly string[]
  },
): Promise<StartedMachine> {
  const { flags = [], ...given } = how
  const child = stage.start('lib/network-child.ts', LOOPBACK, flags)
  const options: NetworkMachineOptions = {
    folder: join(stage.folder, name),
    node: {
      network: networkOf(LOOPBACK),
      store: { path: join(stage.folder, name, 'store') },
      transfer: { fleet: false },
    },
    ...{ ...given, isPublisher: name === 'publisher' },
  }
  const { addresses, port } = await child.call<{ addresses: string[]; port: number }>(
    'start',
    options,
  )
  return { child, addresses: addresses.filter((each) => each.includes('/quic')), port }
}
