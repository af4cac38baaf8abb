/** Machines of one swarm behind one registry that signs, and their keyring. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fingerprintOf } from '../../gateway/src/keys/registry-key.ts'
import { createRegistrySigner, type RegistrySigner } from './features/features-signatures.ts'
import type { FixturePackage } from './fixture-packages.ts'
import { startMachine, type Machine, type MachineOptions } from './machines/machine.ts'
import { startRegistry, type LoopbackRegistry } from './registries/registry.ts'

export interface SignedSwarm extends AsyncDisposable {
  readonly registry: LoopbackRegistry
  readonly signer: RegistrySigner
  /** Names the registry's key. */
  readonly keyringPath: string
  /** A machine whose upstream is the registry. */
  machine(options?: Partial<MachineOptions>): Promise<Machine>
}

/** A registry's key that can be imported: its id is its fingerprint. */
export function importableSigner(): RegistrySigner {
  return createRegistrySigner(fingerprintOf)
}

/** Writes the keyring of a user who has imported this key, as the registry publishes it, for the registry of that URL. */
export async function writeKeyring(path: string, url: string, key: object): Promise<void> {
  const entry = { keys: [key], dropped: [], updatedAt: '2026-01-01T00:00:00.000Z' }
  await writeFile(path, JSON.stringify({ version: 1, registries: { [url]: entry } }))
}

/** @param folder for the keyring */
export async function signedSwarm(
  folder: string,
  packages: readonly FixturePackage[],
): Promise<SignedSwarm> {
  const signer = importableSigner()
  const registry = await startRegistry({ packages, signer, tarballs: 'self' })
  const keyringPath = join(folder, 'registry-keys.json')
  await writeKeyring(keyringPath, `${registry.url}/`, signer.key)
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
