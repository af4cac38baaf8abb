/** Machines of one swarm behind one registry that signs, and their keyring. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fingerprintOf } from '../../gateway/src/keys/registry-key.ts'
import { createRegistrySigner, type RegistrySigner } from './features-signatures.ts'
import type { FixturePackage } from './fixture-packages.ts'
import { startMachine, type Machine, type MachineOptions } from './machine.ts'
import { startRegistry, type LoopbackRegistry } from './registry.ts'

export interface SignedSwarm extends AsyncDisposable {
  readonly registry: LoopbackRegistry
  readonly signer: RegistrySigner
  /** Names the registry's key. */
  readonly keyringPath: string
  /** A machine whose upstream is the registry. */
  machine(options?: Partial<MachineOptions>): Promise<Machine>
}

/** @param folder for the keyring */
export async function signedSwarm(
  folder: string,
  packages: readonly FixturePackage[],
): Promise<SignedSwarm> {
  const signer = createRegistrySigner(fingerprintOf)
  const registry = await startRegistry({ packages, signer, tarballs: 'self' })
  const keyringPath = join(folder, 'registry-keys.json')
  const entry = { keys: [signer.key], dropped: [], updatedAt: '2026-01-01T00:00:00.000Z' }
  const keyring = { version: 1, registries: { [`${registry.url}/`]: entry } }
  await writeFile(keyringPath, JSON.stringify(keyring))
  const machines: Machine[] = []
  return {
    ...{ registry, signer, keyringPath },
    async machine(options = {}) {
      const machine = await startMachine({ upstream: registry.url, keyringPath, ...options })
      machines.push(machine)
      return machine
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(machines.map((machine) => machine[Symbol.asyncDispose]()))
      await registry[Symbol.asyncDispose]()
    },
  }
}
