/**
 * Before an install: look for the daemon (or start it), note what yarn.lock protects, hand the rest to the daemon as hints.
 * After it: one line on what came from where, and a warning where the daemon was wrong. Never fails an install.
 */
import {
  Cache,
  MessageName,
  structUtils,
  type Hooks,
  type InstallOptions,
  type Package,
  type Project,
} from '@yarnpkg/core'
import { xfs } from '@yarnpkg/fslib'
import type { Session } from './session.ts'
import { readDaemonSettings, sendsCredentials, yarnRegistries } from './settings.ts'

type ValidateReport = Parameters<NonNullable<Hooks['validateProject']>>[1]

/** The daemon takes as many of one list. */
const MAX_HINTS = 5_000

const UNKNOWN_YARN =
  'Catalog P2P does not know how this Yarn fetches: tarballs at other than the usual addresses of a registry are not checked'

export function createProjectHooks(
  session: Session,
): Required<Pick<Hooks, 'validateProject' | 'afterAllInstalled'>> {
  return {
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- Yarn awaits it, though its type does not say so
    validateProject: (project, report) => prepare(session, project, report),
    afterAllInstalled: (_project, options) => sumUp(session, options),
  }
}

async function prepare(session: Session, project: Project, report: ValidateReport): Promise<void> {
  const { configuration } = project
  const { problem } = readDaemonSettings(configuration)
  if (problem !== undefined) report.reportWarning(MessageName.INVALID_CONFIGURATION_VALUE, problem)
  if (session.archives === undefined) report.reportWarning(MessageName.UNNAMED, UNKNOWN_YARN)
  session.known.forgetLocked()
  const locked: LockedPackage[] = []
  const { cacheKey } = Cache.getCacheKey(configuration)
  const throws = configuration.get('checksumBehavior') === 'throw'
  for (const pkg of project.originalPackages.values()) {
    const found = lockedPackage(pkg)
    if (found === undefined) continue
    const { name, version } = found
    const checksum = project.storedChecksums.get(pkg.locatorHash)
    session.known.learnLocked(
      name,
      version,
      throws && checksum?.startsWith(`${cacheKey}/`) === true,
    )
    locked.push(found)
  }
  const daemon = session.daemon(configuration)
  if (daemon === undefined) return
  await daemon.start()
  if (!configuration.get('catalogHints')) return
  try {
    await sendHints(session, project, locked)
  } catch (error) {
    // A courtesy: it looks into Yarn's cache, which another Yarn may keep in another way.
    const words = error instanceof Error ? error.message : String(error)
    report.reportWarning(MessageName.UNNAMED, `Catalog P2P: no hints to the daemon (${words})`)
  }
}

interface LockedPackage {
  readonly name: string
  readonly version: string
  readonly pkg: Package
}

function lockedPackage(pkg: Package): LockedPackage | undefined {
  const parsed = structUtils.tryParseRange(pkg.reference, { requireProtocol: 'npm:' })
  if (parsed === null) return undefined
  return { name: structUtils.stringifyIdent(pkg), version: parsed.selector, pkg }
}

/** What this machine has not got yet; the answer is not waited for. */
async function sendHints(
  session: Session,
  project: Project,
  locked: readonly LockedPackage[],
): Promise<void> {
  const { configuration } = project
  const registries = yarnRegistries(configuration)
  const cache = new Cache(configuration.get('cacheFolder'), { configuration })
  const architectures = configuration.getSupportedArchitectures()
  const packages: { name: string; version: string }[] = []
  let gateway: Awaited<ReturnType<Session['gatewayFor']>>
  for (const { name, version, pkg } of locked) {
    if (packages.length === MAX_HINTS) break
    if (!structUtils.isPackageCompatible(pkg, architectures)) continue
    const registry = registries.of(name)
    const found = await session.gatewayFor(configuration, { name, registry })
    if (found === undefined || isCached(cache, project, pkg)) continue
    if (sendsCredentials(configuration, { ident: pkg, registry })) continue
    gateway = found
    packages.push({ name, version })
  }
  if (gateway === undefined) return
  // A hint that gets lost costs nothing: its packages are asked for soon.
  gateway.gateway.post('-/catalog/hints', { packages }).catch(() => undefined)
}

function isCached(cache: Cache, project: Project, pkg: Package): boolean {
  const checksum = project.storedChecksums.get(pkg.locatorHash) ?? null
  const paths = [cache.getLocatorPath(pkg, checksum), cache.getLocatorMirrorPath(pkg)]
  return paths.some((path) => path !== null && xfs.existsSync(path))
}

function sumUp(session: Session, { report }: InstallOptions): void {
  const { daemon, direct, wrong, unchecked } = session.counts
  const total = Object.values(daemon).reduce((sum, count) => sum + count, 0)
  if (total > 0) {
    const places = { peer: 'from peers', store: 'from its store', origin: 'from the registry' }
    const parts = Object.entries(places)
      .filter(([place]) => daemon[place] !== undefined)
      .map(([place, words]) => `${daemon[place]} ${words}`)
    const rest = direct > 0 ? `; ${direct} fetched directly` : ''
    const what = total === 1 ? 'package' : 'packages'
    const text = `${total} ${what} by the daemon (${parts.join(', ')})${rest}`
    report.reportInfo(null, `Catalog P2P: ${text}`)
  }
  for (const [names, words] of [
    [wrong, 'the daemon had other bytes than their metadata says; the registry had the right ones'],
    [unchecked, 'their metadata has no hash to check them by'],
  ] as const) {
    if (names.length === 0) continue
    const shown =
      names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '')
    report.reportWarning(MessageName.UNNAMED, `Catalog P2P: ${shown}: ${words}`)
  }
}
