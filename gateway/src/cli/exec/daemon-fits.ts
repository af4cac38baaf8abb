/**
 * Whether the daemon that runs may stand in for the command's registry: it asks the same one, with the same credentials, and
 * keeps to what was asked of us. In doubt it does not, and the command gets a gateway of its own.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { certifiedUrls } from '../../upstream/client-certificates.ts'
import { proofOf, type Credentials } from '../../upstream/credentials.ts'
import type { DaemonInfo, DaemonStatus } from '../../admin/daemon-client.ts'
import { readNpmConfig, type NpmConfig } from '../../upstream/npmrc.ts'
import { createRegistries } from '../../upstream/registries.ts'
import { daemonSettings } from '../start/daemon-settings.ts'
import { connectionKey } from './client-connection.ts'
import type { Routing } from './client-environment.ts'
import { registryAt } from './client-obstacle.ts'
import type { ExecPlace } from './client-registry.ts'
import { gatewayNpmConfig } from './gateway-npm-config.ts'
import { hasLooseCredentials } from './loose-credentials.ts'

export interface FitQuestion {
  readonly config: Config
  readonly routing: Routing
  readonly place: ExecPlace
  /** As a gateway of ours would have it. */
  readonly npmConfig: NpmConfig
  /** undefined: its file is not ours to read, so perhaps it is another user's. */
  readonly info: DaemonInfo | undefined
  readonly now: DaemonStatus
  readonly log: Logger
}

export function daemonFits(question: FitQuestion): boolean {
  const { config, routing, now } = question
  const { upstream, temporary } = now.gateway
  if (temporary || !hasSettings(question)) return false
  if (config.peersOnly || upstream === null) return config.peersOnly && upstream === null
  if (registryAt(upstream) !== routing.upstream) return false
  return connectsAlike(question) && hasCredentials(question)
}

/** It has the user's settings for TLS and proxies, and none that a project's files or a client's own add to them. */
function connectsAlike({ routing, place, npmConfig }: FitQuestion): boolean {
  if (!routing.upstream.startsWith('https:')) return true
  const users = gatewayNpmConfig(readNpmConfig({ ...place, projectFolders: [] }), {}, place.env)
  return connectionKey({}, npmConfig) === connectionKey({}, users)
}

/** Those that were given; of the others the daemon's are as good as ours. */
function hasSettings({ config, info }: FitQuestion): boolean {
  return Object.entries(daemonSettings(config)).every(
    ([name, value]) => !config.given.has(name) || isDeepStrictEqual(value, info?.settings?.[name]),
  )
}

function hasCredentials(question: FitQuestion): boolean {
  const { routing, place, npmConfig, info, now } = question
  // The client would send them to the daemon itself.
  if (hasLooseCredentials(place, npmConfig)) return false
  if (certifiedUrls(npmConfig)(new URL(routing.upstream))) return false
  const ours = credentialsFor(question)
  if (ours === undefined) return true
  return info !== undefined && now.credentials === proofOf(info.token, ours)
}

/** By the rules of the gateway. */
function credentialsFor({ routing, npmConfig, log }: FitQuestion): Credentials | undefined {
  const registries = createRegistries(
    { config: npmConfig, log },
    { upstream: routing.upstreamAsConfigured, previousRegistry: undefined, port: 0, addresses: [] },
  )
  return registries.credentialsFor(new URL(routing.upstream))
}
