/** The private swarm of this machine as its files and its daemon have it, for commands that report on it. Reads only. */
import { dirname } from 'node:path'
import { isCatalogError, swarmNamesOf } from '@catalog-p2p/core'
import { defaultConfigFolder } from '../../config/config-file.ts'
import type { Config } from '../../config/resolve.ts'
import type { DaemonInfo, DaemonStatus } from '../../admin/daemon-client.ts'
import { readSwarm } from '../../swarm/swarm-source.ts'
import { CertificateBook } from '../../trust/certificate-book.ts'
import { certificatesPath, trustFilePath } from '../../trust/trust-file.ts'
import { reportOnSwarm, type SwarmReport } from './swarm-report.ts'

export interface RunningDaemon {
  readonly info: DaemonInfo | undefined
  readonly status: DaemonStatus
}

/** null: the open network. Never throws for what stands in the file. */
export function ownSwarm(config: Config, daemon: RunningDaemon | undefined): SwarmReport | null {
  if (config.swarm === undefined) return null
  const members = daemon?.status.node.peers ?? 0
  try {
    const file = readSwarm(config.swarm)
    const trustPath = config.gateway.trustPath ?? trustFilePath(defaultConfigFolder())
    const book = new CertificateBook(certificatesPath(dirname(trustPath)), { log: quiet })
    const revoked = file.root && book.of(file.root).revocations?.said.subjects
    const running = daemon?.info?.settings?.swarm
    return reportOnSwarm(file, {
      ...{ nowMs: Date.now(), members, self: daemon?.status.node.id, revoked: new Set(revoked) },
      // One of an older version, or of another store folder, does not say.
      isDaemonOfIt: typeof running !== 'string' || swarmNamesOf(file).includes(running),
    })
  } catch (error) {
    if (!isCatalogError(error)) throw error
    const problem = { text: error.message, next: error.hint ?? 'mend the file' }
    return { name: null, root: null, certificateEndsMs: null, keyEndsMs: null, members, problem }
  }
}

const drop = (): void => undefined
/** The daemon has logged what is wrong with that file. */
const quiet = { debug: drop, info: drop, warn: drop, error: drop }
