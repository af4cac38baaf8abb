/**
 * Where guests of each kind reach this machine, from its own interfaces. Pure. Guesses nothing: what is not there is an error with
 * the next step.
 */
import { isIP } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'
import { join } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import type { Bridge } from '../../bridges/bridge-file.ts'

export const WHERE = ['docker', 'devcontainer', 'wsl', 'sandbox'] as const
export type Where = (typeof WHERE)[number]

export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

export interface PlaceFacts {
  readonly platform: NodeJS.Platform
  readonly interfaces: Interfaces
  /** The daemon's. */
  readonly port: number
  /** Of this user's configuration. */
  readonly folder: string
  /** In place of what would be found. */
  readonly address?: string | undefined
}

/** What containers call the machine they run on. */
const DOCKER_HOST = 'host.docker.internal'
/** Docker's first network on Linux, and Podman's. */
const DOCKER_INTERFACE = /^(?:docker0|podman0|cni-podman0)$/
const WSL_INTERFACE = /^vEthernet \(WSL\b/

/** @throws CatalogError INVALID_OPTIONS */
export function bridgeAt(where: Where, facts: PlaceFacts): Bridge {
  const { platform, folder, port, address } = facts
  if (address !== undefined && isIP(address) === 0) {
    throw new CatalogError('INVALID_OPTIONS', `--address ${address}: is no IP address`)
  }
  switch (where) {
    case 'docker':
    case 'devcontainer': {
      const hosts = [DOCKER_HOST]
      if (platform === 'linux') {
        const own = address ?? find(facts, DOCKER_INTERFACE) ?? missing(NO_DOCKER)
        return { kind: 'docker', address: own, port, hosts }
      }
      // Docker Desktop brings what its containers ask of that name to this loopback, where we have a port already.
      return { kind: 'docker', address: address ?? '127.0.0.1', port: port + 2, hosts }
    }
    case 'wsl': {
      const own = address ?? find(facts, WSL_INTERFACE) ?? missing(NO_WSL)
      return { kind: 'wsl', address: own, port, hosts: [] }
    }
    case 'sandbox': {
      if (platform === 'win32') missing('Windows: npm in a sandbox there has no way to a socket')
      return { kind: 'sandbox', path: join(folder, 'bridge', 'catalog.sock') }
    }
  }
}

const NO_DOCKER = 'there is no docker0 interface: name the address that containers reach'
const NO_WSL = 'there is no "vEthernet (WSL)" interface: in mirrored mode 127.0.0.1 is the same'

function find({ interfaces }: PlaceFacts, wanted: RegExp): string | undefined {
  const [, all = []] = Object.entries(interfaces).find(([name]) => wanted.test(name)) ?? []
  return all.find(({ family }) => family === 'IPv4')?.address
}

function missing(why: string): never {
  throw new CatalogError('INVALID_OPTIONS', why, {
    hint: 'with --address it is taken from you; docs/bridges.md says what reaches what',
  })
}
