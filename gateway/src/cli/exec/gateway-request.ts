/** What a gateway for a command is opened with. */
import type { Logger } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import type { Environment } from '../../upstream/npmrc.ts'
import type { ResolvedRegistry } from './exec-gateway.ts'
import type { FrontDoor } from './front-door.ts'
import type { FoundDaemon } from './own-daemon.ts'

export interface GatewayRequest {
  readonly config: Config
  readonly env: Environment
  /** The client is still being asked while the node starts; what is started ends when this rejects. */
  readonly upstream: Promise<ResolvedRegistry>
  readonly log: Logger
  readonly version: string
  /** false: never use a daemon that runs. */
  readonly reuse: boolean
  /** Nothing in the store is believed but artifacts, by their hash. */
  readonly frozenTrust: boolean
  /** One that runs. */
  readonly daemon: FoundDaemon | undefined
  /** Where a gateway of exec's own listens. */
  door(): Promise<FrontDoor>
  /** Of this command alone, and in no file. */
  readonly buildToken: string
}
