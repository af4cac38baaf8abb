/**
 * One request of Yarn's on its way through this plugin, and the question to the daemon that may answer it. A daemon that
 * fails is reported, so that the other requests of this run lose no time with it.
 */
import type { Configuration, httpUtils } from '@yarnpkg/core'
import { GatewayGone, type GatewayAnswer } from './gateway-client.ts'
import type { Gateway } from './daemon.ts'
import type { Session } from './session.ts'

export interface WrappedRequest {
  readonly configuration: Configuration
  /** By lower-case name, without those that Yarn left undefined. */
  readonly headers: ReadonlyMap<string, string>
  /** In a header, or in the registry's URL. */
  readonly hasCredentials: boolean
  /** Yarn's own reader of packuments asks, and wants a parsed object. */
  readonly isReader: boolean
  /** As Yarn would have done it. */
  readonly executor: () => Promise<httpUtils.Response>
}

export interface GatewayQuestion {
  readonly gateway: Gateway
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** Its answer if it is a good one; undefined when Yarn should ask the registry itself. */
export async function askGateway(
  session: Session,
  request: Pick<WrappedRequest, 'configuration'>,
  { gateway, path, headers }: GatewayQuestion,
): Promise<GatewayAnswer | undefined> {
  try {
    const answer = await gateway.get(path, headers)
    return answer.status === 200 ? answer : undefined
  } catch (error) {
    if (error instanceof GatewayGone) session.daemon(request.configuration)?.lost(gateway)
    return undefined // whatever it is, the registry may do better
  }
}
