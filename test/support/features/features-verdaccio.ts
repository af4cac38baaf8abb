/**
 * A plain Verdaccio, without our plugin: as the registry behind a gateway (it takes publications and knows users), or in front
 * of one (a gateway as its uplink).
 */
import { startVerdaccio, type Verdaccio } from '../registries/verdaccio.ts'

export interface PlainVerdaccioOptions {
  /** An empty folder of its own. */
  readonly folder: string
  /** The registry behind it, no trailing slash. */
  readonly uplink: string
}

export function startPlainVerdaccio({ folder, uplink }: PlainVerdaccioOptions): Promise<Verdaccio> {
  const rules = { publish: '$authenticated', unpublish: '$authenticated' }
  const config = {
    // Verdaccio's own hashing is slow on purpose.
    auth: { htpasswd: { file: './htpasswd', algorithm: 'bcrypt', rounds: 4 } },
    // Up-to-date at once, and never given up after a failure.
    uplinks: { behind: { url: `${uplink}/`, maxage: '0s', max_fails: 1000, fail_timeout: '1s' } },
    packages: {
      '@fx-private/*': { ...rules, access: '$authenticated' },
      '**': { ...rules, proxy: 'behind', access: '$all' },
    },
    log: { type: 'stdout', format: 'json', level: 'warn' },
  }
  return startVerdaccio({ folder, config })
}
