/**
 * Archives of the `p2p:` protocol: by their hash or Asset ID, from the daemon's store and its peers, and from nowhere else. The daemon is
 * told to ask no registry, so that whoever takes the name there can put nothing in its place. Here there is nothing to fall
 * back to, so every failure says what to do.
 */
import {
  MessageName,
  ReportError,
  structUtils,
  type Configuration,
  type Ident,
} from '@yarnpkg/core'
import type { Gateway } from './daemon.ts'
import { GatewayGone, type GatewayAnswer } from './gateway-client.ts'
import { hasRoot } from './asset-root.ts'
import { mismatch } from './integrity.ts'
import { PROTOCOL, type PeerRange } from './p2p-range.ts'
import { tarballPath } from './request-route.ts'
import { countServed, type Session } from './session.ts'

/** A daemon that is being started gets this long. */
const START_MS = 15_000

export interface PeerPackages {
  /** Verified bytes. @throws ReportError */
  tarball(configuration: Configuration, ident: Ident, range: PeerRange): Promise<Buffer>
}

export function createPeerPackages(session: Session): PeerPackages {
  return {
    async tarball(configuration, ident, range) {
      const { version } = range
      const name = structUtils.stringifyIdent(ident)
      const spec = `${name}@${version}`
      const { body, headers } = await ask(session, configuration, {
        name: spec,
        path: tarballPath(name, version),
        headers: {
          'accept-encoding': 'identity',
          ...('integrity' in range && { 'pacote-integrity': range.integrity }),
          'x-catalog-upstream': 'never',
        },
      })
      requireBytes(spec, body, range)
      countServed(session, headers)
      return body
    },
  }
}

/** @throws ReportError when it is not what the range says */
function requireBytes(spec: string, body: Buffer, range: PeerRange): void {
  const wrong =
    'integrity' in range ? wrongHash(body, range.integrity) : wrongRoot(body, range.root)
  if (wrong === undefined) return
  throw new ReportError(
    MessageName.CACHE_CHECKSUM_MISMATCH,
    `${spec} is not what its range says: ${wrong}. Nothing of it was used`,
  )
}

function wrongHash(body: Buffer, integrity: string): string | undefined {
  const got = mismatch(body, integrity)
  if (got === undefined) return undefined
  return `expected ${integrity}, got ${got} from the daemon; run \`catalog store verify\``
}

/** Asked for by name, so it may be another's package of that name. */
function wrongRoot(body: Buffer, root: string): string | undefined {
  if (hasRoot(body, root)) return undefined
  return `what the daemon has under that name has not the root ${root}; see \`catalog trust explain\``
}

async function ask(
  session: Session,
  configuration: Configuration,
  question: { name: string; path: string; headers: Record<string, string> },
): Promise<GatewayAnswer> {
  const { name, path, headers } = question
  const gateway = await findGateway(session, configuration, name)
  try {
    const answer = await gateway.get(path, headers)
    if (answer.status === 200) return answer
    throw failure(name, `the daemon answers ${answer.status}: ${errorText(answer.body)}`)
  } catch (error) {
    if (!(error instanceof GatewayGone)) throw error
    session.daemon(configuration)?.lost(gateway)
    throw failure(name, `${error.message}. Start it again with \`catalog start\``)
  }
}

async function findGateway(
  session: Session,
  configuration: Configuration,
  name: string,
): Promise<Gateway> {
  if (!configuration.get('enableNetwork')) {
    throw new ReportError(MessageName.NETWORK_DISABLED, `${name}: enableNetwork is off`)
  }
  const daemon = session.daemon(configuration)
  await daemon?.start()
  const gateway = await daemon?.needed(START_MS)
  if (gateway !== undefined) return gateway
  throw failure(
    name,
    `its ${PROTOCOL} range needs the Catalog P2P daemon, and none answers at ${configuration.get('catalogDaemonUrl')}. Start one with \`catalog start\``,
  )
}

function errorText(body: Buffer): string {
  try {
    const { error } = JSON.parse(body.toString()) as { error?: unknown }
    return typeof error === 'string' ? error : 'no reason given'
  } catch {
    return 'no reason given' // not its own words then
  }
}

function failure(name: string, reason: string): ReportError {
  return new ReportError(MessageName.NETWORK_ERROR, `${name}: ${reason}`)
}
