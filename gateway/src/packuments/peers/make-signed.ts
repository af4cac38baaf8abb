/** The worker's part of it, asked for from the main thread, which never reads a peer's document. */
import type { PackumentJobs } from '../packument-jobs.ts'
import type { SignedDocument, SignedDocumentJob } from './signed-document.ts'

/** @throws Error, WorkerDied when a document kills the thread that reads it */
export async function makeSigned(
  jobs: PackumentJobs,
  signedOnly: SignedDocumentJob,
): Promise<SignedDocument> {
  const { registry, name, maxBytes } = signedOnly
  const { signed } = await jobs.run({
    ...{ body: new Uint8Array(0), codings: [], maxBytes, registry, name, isPrivate: false },
    ...{ form: undefined, abbreviate: false, ingest: false, signedOnly },
  })
  if (signed === undefined) throw new Error('the packument worker made no signed document')
  return signed
}
