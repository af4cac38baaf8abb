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
  /** In place of what the bridge would have. */
  readonly bridgePort?: number | undefined
}

/** After those of the registry, of peers and of carriers. */
const PORTS_BEFORE = 3
const MAX_PORT = 65_535

/** What containers call the machine they run on. */
const DOCKER_HOST = 'host.docker.internal'
/** Docker's first network on Linux, and Podman's. */
const DOCKER_INTERFACE = /^(?:docker0|podman0|cni-podman0)$/
const WSL_INTERFACE = /^vEthernet \(WSL\b/

/** @throws CatalogError INVALID_OPTIONS */
export function bridgeAt(where: Where, facts: PlaceFacts): Bridge {
  const { platform, folder, address } = facts
  if (address !== undefined && isIP(address) === 0) {
    throw new CatalogError('INVALID_OPTIONS', `--address ${address}: is no IP address`)
  }
  switch (where) {
    case 'docker':
    case 'devcontainer': {
      // Docker Desktop brings what its containers ask of that name to our loopback, where we have a port already.
      const isDesktop = platform !== 'linux'
      const found = isDesktop ? '127.0.0.1' : find(facts, DOCKER_INTERFACE)
      return {
        ...{ kind: 'docker', hosts: [DOCKER_HOST] },
        address: address ?? found ?? missing(NO_DOCKER),
        port: portBy(facts, isDesktop ? PORTS_BEFORE : 0),
      }
    }
    case 'wsl': {
      const own = address ?? find(facts, WSL_INTERFACE) ?? missing(NO_WSL)
      return { kind: 'wsl', address: own, port: portBy(facts, 0), hosts: [] }
    }
    case 'sandbox': {
      if (facts.bridgePort !== undefined) {
        throw new CatalogError('INVALID_OPTIONS', '--bridge-port: a sandbox is given a socket')
      }
      if (platform === 'win32') missing('Windows: npm in a sandbox there has no way to a socket')
      return { kind: 'sandbox', path: join(folder, 'bridge', 'catalog.sock') }
    }
  }
}

function portBy({ port, bridgePort }: PlaceFacts, after: number): number {
  const own = bridgePort ?? port + after
  if (Number.isInteger(own) && own >= 1 && own <= MAX_PORT) return own
  throw new CatalogError('INVALID_OPTIONS', `${own} is no port for the bridge`, {
    hint: `name one from 1 to ${MAX_PORT} with --bridge-port`,
  })
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
