/** `catalog witness` and `catalog witness key`: the daemon with --countersign, and the key that it signs with, made at first use. */
import { join } from 'node:path'
import { keyIdOf } from '@catalog-p2p/core'
import { defaultConfigFolder } from '../../config/config-file.ts'
import { readWitnessKey, WITNESS_KEY_FILE } from '../../packuments/witness/witness-key.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'
import { startCommand, type StartDependencies } from '../start/start-command.ts'

export async function witnessCommand(
  invocation: Invocation,
  deps: StartDependencies,
): Promise<number> {
  const { id } = await ownKey()
  invocation.terminal.note(`witness ${id}`)
  invocation.terminal.note('  others believe it with: catalog start --witness <that key>')
  return startCommand({ ...invocation, flags: { ...invocation.flags, countersign: true } }, deps)
}

export async function witnessKeyCommand(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  const { json } = loadConfig(invocation)
  const { id, path } = await ownKey()
  terminal.print(json ? JSON.stringify({ witness: id, file: path }) : id)
  return EXIT.ok
}

async function ownKey(): Promise<{ id: string; path: string }> {
  const path = join(defaultConfigFolder(), WITNESS_KEY_FILE)
  return { id: keyIdOf((await readWitnessKey(path)).publicKey), path }
}
