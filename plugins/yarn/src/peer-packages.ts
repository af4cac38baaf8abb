/**
 * Packages of the `p2p:` protocol: from the daemon and nowhere else. Here there is no registry to fall back to, so every
 * failure says what to do. Kept apart from registries' packages of the same name.
 */
import {
  MessageName,
  ReportError,
  structUtils,
  type Configuration,
  type Ident,
} from '@yarnpkg/core'
import { createAskOnce } from './ask-once.ts'
import type { Gateway } from './daemon.ts'
import { GatewayGone, type GatewayAnswer } from './gateway-client.ts'
import { mismatch } from './integrity.ts'
import { parsePackument, pickPackument, type Packument } from './packument-body.ts'
import { packumentPath, tarballPath } from './request-route.ts'
import type { Session } from './session.ts'

export const PROTOCOL = 'p2p:'
/** Stands where a registry's address would: no registry is called so. */
const REGISTRY = PROTOCOL
/** A daemon that is being started gets this long. */
const START_MS = 15_000

export interface PeerPackages {
  /** @throws ReportError */
  packument(configuration: Configuration, ident: Ident): Promise<Packument>
  /** Verified bytes. @throws ReportError */
  tarball(configuration: Configuration, ident: Ident, version: string): Promise<Buffer>
}

export function createPeerPackages(session: Session): PeerPackages {
  const askOnce = createAskOnce<Packument>()

  async function fetchPackument(configuration: Configuration, name: string): Promise<Packument> {
    const answer = await ask(session, configuration, { name, path: packumentPath(name) })
    try {
      const packument = pickPackument(parsePackument(answer.body))
      session.known.learn({ name, registry: REGISTRY }, packument, 'daemon')
      return packument
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error)
      throw failure(name, `the daemon's metadata can't be read (${words})`)
    }
  }

  function packument(configuration: Configuration, ident: Ident): Promise<Packument> {
    const name = structUtils.stringifyIdent(ident)
    return askOnce(name, () => fetchPackument(configuration, name))
  }

  return {
    packument,
    async tarball(configuration, ident, version) {
      await packument(configuration, ident)
      const name = structUtils.stringifyIdent(ident)
      const spec = `${name}@${version}`
      const integrity = session.known.find({ name, version, registry: REGISTRY })?.integrity
      if (integrity === undefined) {
        throw failure(spec, 'the daemon knows no such version, or no hash to check it by')
      }
      const path = tarballPath(name, version)
      const headers = { 'accept-encoding': 'identity', 'pacote-integrity': integrity }
      const { body } = await ask(session, configuration, { name: spec, path, headers })
      const got = mismatch(body, integrity)
      if (got === undefined) return body
      throw new ReportError(
        MessageName.CACHE_CHECKSUM_MISMATCH,
        `${spec} is not what its metadata says: expected ${integrity}, got ${got} from the daemon. Nothing of it was used; run \`catalog store verify\``,
      )
    },
  }
}

async function ask(
  session: Session,
  configuration: Configuration,
  question: { name: string; path: string; headers?: Record<string, string> },
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
  const gateway = await daemon?.started(START_MS)
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
