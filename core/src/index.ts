/** The public surface of @catalog-p2p/core; test/parity.test.ts snapshots it. */
export { CatalogError, isCatalogError } from './errors.ts'
export type { ErrorCode } from './errors.ts'
export type * from './api.ts'
export { formatAssetId, parseAssetId } from './content/asset-id.ts'
export { carrierPortOf } from './carrier/listen-on.ts'
export { parseDigest, findDigest, isDigest, digestOf } from './content/digest.ts'
export type { Digest } from './content/digest.ts'
export {
  nameKeyFromBytes,
  nameKeyOf,
  nameKeyToBytes,
  packageKeyOf,
  witnessKeyOf,
} from './content/name-key.ts'
export { FieldReader, FieldWriter } from './wire/fields.ts'
export type { NameKey, PackageVersion } from './content/name-key.ts'
export type { ArtifactRecord } from './content/record.ts'
export type { EvidenceVerdict, VerifyEvidence } from './records/records.ts'
export type { RequestProtocol, MessageCodec } from './rpc/protocol.ts'
export type { Answering } from './rpc/answer.ts'
export { generateKey, importSecret, toPublicKey, verifySignature } from './signing/hybrid-key.ts'
export type { HybridKey, PublicKey } from './signing/hybrid-key.ts'
export { isKeyId, keyIdFromBytes, keyIdOf, keyIdToBytes, parseKeyId } from './signing/key-id.ts'
export type { KeyId } from './signing/key-id.ts'
export { decodeCanonical, encodeCanonical } from './signing/canonical.ts'
export type { CanonicalValue } from './signing/canonical.ts'
export {
  claimedSigner,
  openStatement,
  signStatement,
  STATEMENT_OVERHEAD_BYTES,
} from './signing/statement.ts'
export type { OpenedStatement } from './signing/statement.ts'
export {
  issueCertificate,
  MAX_CERTIFICATE_BYTES,
  openCertificate,
} from './certificates/certificate.ts'
export type { Certificate, CertificateClaims } from './certificates/certificate.ts'
export { judgeCertificate, verifyCertificate } from './certificates/verify-certificate.ts'
export type { CertificateVerdict, CertifiedAs } from './certificates/verify-certificate.ts'
export {
  MAX_REVOCATIONS_BYTES,
  openRevocations,
  signRevocations,
} from './certificates/revocation-list.ts'
export type { RevocationList } from './certificates/revocation-list.ts'
export type { Logger } from './log.ts'
export { defaultStorePath, invalidOptions, parseNodeOptions } from './options.ts'
export type { NodeOptions } from './options.ts'
export type { PruneReport, VerifyReport } from './store/store.ts'
export type { JudgeVisibility } from './store/visibility-review.ts'
export { registryOf } from './publications/head-key.ts'
export type { PublishedName } from './publications/head-key.ts'
export type { Head, HeadRelease } from './publications/head.ts'
export type { Release } from './publications/release.ts'
export type { HeadChange, Publication, PublishInput } from './publications/publisher.ts'
export type { Publications } from './publications/publications.ts'
export type { TrustsPublisher } from './publications/release-evidence.ts'
export { inviteIdOf } from './swarm/joining.ts'
export type { FindInvite, OpenInvite } from './swarm/joining.ts'
export { createInviteSecret, inviteToText, parseInvite } from './swarm/invite.ts'
export type { Invite } from './swarm/invite.ts'
export { createSwarmKey, SWARM_KEY_PREFIX } from './swarm/swarm-key.ts'
export { parseSwarmFile, swarmFileToText } from './swarm/swarm-file.ts'
export type { SwarmFile } from './swarm/swarm-file.ts'
export { swarmNamesOf } from './swarm/swarm.ts'
export type { KeyInUse, SwarmDependencies, SwarmState } from './swarm/swarm.ts'
export { createNode, joinSwarm } from './loaded-later.ts'
export type { NodeDependencies } from './node.ts'
export { errnoOf } from './disk/errno.ts'
export { openDatabase } from './disk/database.ts'
export { makeFolder } from './disk/make-folder.ts'
export { renameOver } from './disk/rename-over.ts'
export { restNow } from './disk/at-rest.ts'
export { createWorkerThread, workerUrl } from './disk/worker-thread.ts'
export type { WorkerThread } from './disk/worker-thread.ts'
export type { Database } from './disk/database.ts'
