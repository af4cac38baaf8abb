/** What `yarn catalog status` and `yarn catalog peers` print. Pure; takes what the daemon says as typed, for it is our own. */

interface Amount {
  readonly artifacts: number
  readonly bytes: number
}

/** The part of /-/catalog/status that is shown. */
export interface DaemonStatus {
  readonly gateway: {
    readonly upstream: string | null
    readonly tarballs: Readonly<Record<'store' | 'peer' | 'origin', Amount>>
  }
  readonly node: {
    readonly id: string
    readonly store: Amount
  }
}

export interface DaemonPeers {
  readonly peers: readonly {
    readonly peer: string
    readonly transport: string
    readonly artifacts: number
  }[]
}

/** `usage`: whether Yarn uses it here. */
export function statusText({ gateway, node }: DaemonStatus, usage: string): string {
  const { peer, store, origin } = gateway.tarballs
  return [
    `node      ${node.id}`,
    `upstream  ${gateway.upstream ?? 'none, peers only'}`,
    `in use    ${usage}`,
    `store     ${amount(node.store)}`,
    `served    ${amount(peer)} from peers, ${amount(store)} from the store, ${amount(origin)} from upstream`,
  ].join('\n')
}

export function peersText({ peers }: DaemonPeers): string {
  if (peers.length === 0) return 'no peers yet'
  return peers
    .map(({ peer, transport, artifacts }) => `${peer}  ${transport}  ${artifacts} artifacts`)
    .join('\n')
}

function amount({ artifacts, bytes }: Amount): string {
  return `${artifacts} (${size(bytes)})`
}

function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1_000_000
    ? `${(bytes / 1000).toFixed(1)} kB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`
}
