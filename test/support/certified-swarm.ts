/** Machines that the root of a private swarm has certified, behind one registry that signs. */
import {
  generateKey,
  issueCertificate,
  keyIdOf,
  createSwarmKey,
  type HybridKey,
  type SwarmState,
} from '@catalog-p2p/core'
import { createEvidenceVerifier, type GatewayOptions } from '@catalog-p2p/gateway'
import { meet, quietNode, type Machine, type MachineOptions } from './machines/machine.ts'
import type { SignedSwarm } from './signed-swarm.ts'

export interface CertifiedSwarm extends AsyncDisposable {
  /** A machine that is connected with all others. */
  machine(options?: Partial<MachineOptions>): Promise<Machine>
  /** The root takes the certificate of a machine back. */
  revoke(machine: Machine): void
}

let made: HybridKey | undefined
/** Made once: it takes a while. */
const rootKey = (): HybridKey => (made ??= generateKey())
const HOUR_MS = 3_600_000
const quiet = Object.fromEntries(
  ['debug', 'info', 'warn', 'error'].map((level) => [level, () => undefined]),
) as Record<'debug' | 'info' | 'warn' | 'error', () => void>

/** @param options `root`: false: whoever knows the key is a member */
export function certifiedSwarm(
  swarm: SignedSwarm,
  options: { readonly root?: boolean; readonly gateway?: GatewayOptions } = {},
): CertifiedSwarm {
  const { keyringPath } = swarm
  const key = createSwarmKey()
  const revoked = new Set<string>()
  const machines: Machine[] = []

  async function machine(given: Partial<MachineOptions> = {}): Promise<Machine> {
    let state: SwarmState = { name: 'x', keys: [] }
    const node = await quietNode(
      { transfer: { fleet: true } },
      {
        verifyEvidence: createEvidenceVerifier({ log: quiet }, { keyringPath }),
        swarm: { state: () => state },
      },
    )
    state = { name: 'x', keys: [{ key }], ...(options.root !== false && certify(node.id)) }
    const gateway = { fleetMetadata: true, ...options.gateway, ...given.gateway }
    const made = await swarm.machine({ ...given, node, gateway })
    for (const other of machines) await meet(made.node, other.node, 0)
    machines.push(made)
    return made
  }

  function certify(peer: string): Pick<SwarmState, 'root' | 'certificate' | 'revoked'> {
    const root = rootKey()
    const [notBeforeMs, notAfterMs] = [Date.now() - HOUR_MS, Date.now() + HOUR_MS]
    const subject = { kind: 'machine', peer } as const
    const claims = { subject, names: ['x'], note: '', notBeforeMs, notAfterMs }
    return { root: keyIdOf(root.publicKey), certificate: issueCertificate(claims, root), revoked }
  }

  return {
    machine,
    revoke: ({ node }) => void revoked.add(node.id),
    async [Symbol.asyncDispose]() {
      await Promise.all(machines.map(({ node }) => node.close()))
    },
  }
}
