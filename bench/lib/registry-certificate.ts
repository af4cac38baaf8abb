/**
 * TLS for a benchmark's registry, as every registry has it: a certificate of its own for loopback, made when it is needed, which
 * all programs trust that are started after it was made. Without it a client that goes there directly would be spared the decrypting
 * that a gateway does in its place.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { certified, type SelfSigned } from '../../test/support/features/features-certificate.ts'
import { LOOPBACK } from './machine.ts'
import type { Stage } from './stage.ts'

const TRUSTED = 'NODE_EXTRA_CA_CERTS'

export async function certify(stage: Stage): Promise<SelfSigned> {
  const made = certified(LOOPBACK.ipv4)
  const file = join(stage.folder, 'registry-authority.pem')
  await writeFile(file, made.authority)
  const before = process.env[TRUSTED]
  process.env[TRUSTED] = file
  stage.defer(() => {
    if (before === undefined) Reflect.deleteProperty(process.env, TRUSTED)
    else process.env[TRUSTED] = before
    return Promise.resolve()
  })
  return made
}
