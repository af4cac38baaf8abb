/** The public surface of @catalog-p2p/core; test/parity.test.ts snapshots it. */
export { CatalogError, isCatalogError } from './errors.ts'
export type { ErrorCode } from './errors.ts'
export type * from './api.ts'
export { parseDigest, findDigest, isDigest, digestOf } from './content/digest.ts'
export type { Digest } from './content/digest.ts'
export type { Logger } from './log.ts'
export { defaultStorePath, parseNodeOptions } from './options.ts'
export type { NodeOptions } from './options.ts'
