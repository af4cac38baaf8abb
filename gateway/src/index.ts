/** The public surface of @catalog-p2p/gateway; test/parity.test.ts snapshots it. */
export { createGateway } from './gateway.ts'
export type { Gateway, GatewayDependencies, GatewayStats } from './api.ts'
export { parseGatewayOptions } from './options.ts'
export type { GatewayOptions } from './options.ts'
export { npmConfigFrom, readNpmConfig } from './upstream/npmrc.ts'
export type { NpmConfig } from './upstream/npmrc.ts'
export { createPinoLogger } from './pino-logger.ts'
export { DEFAULT_REGISTRY } from './upstream/default-registry.ts'
