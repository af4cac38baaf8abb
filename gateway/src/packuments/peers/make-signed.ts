/** The worker's part of it, asked for from the main thread, which never reads a peer's document. */
import { MAX_DEATHS, WorkerDied, type PackumentJobs } from '../worker/packument-jobs.ts'
import type { SignedDocument, SignedDocumentJob } from './signed-document.ts'

/**
 * @param deathsBefore see PackumentJobs
 * @throws Error, WorkerDied when a document kills the thread that reads it
 */
export async function makeSigned(
  jobs: PackumentJobs,
  signedOnly: SignedDocumentJob,
  deathsBefore?: number,
): Promise<SignedDocument> {
  const { registry, name, maxBytes } = signedOnly
  const { signed } = await jobs.run(
    {
      ...{ body: new Uint8Array(0), codings: [], maxBytes, registry, name, isPrivate: false },
      ...{ form: undefined, abbreviate: false, ingest: false, signedOnly },
    },
    deathsBefore,
  )
  if (signed === undefined) throw new Error('the packument worker made no signed document')
  return signed
}

/** The same of peers' documents: one that kills the thread is found out, and the others count without it. */
export async function makeSignedOfPeers(
  jobs: PackumentJobs,
  job: SignedDocumentJob,
): Promise<SignedDocument> {
  const died = await makeSigned(jobs, job).catch(deathOf)
  if (!(died instanceof WorkerDied)) return died
  const deadly: boolean[] = []
  for (const document of job.documents) {
    const alone = makeSigned(jobs, { ...job, documents: [document] }, MAX_DEATHS - 1)
    deadly.push((await alone.catch(deathOf)) instanceof WorkerDied)
  }
  const documents = job.documents.filter((_, index) => deadly[index] === false)
  const made = await makeSigned(jobs, { ...job, documents })
  const problems = [...made.problems]
  return {
    ...made,
    problems: deadly.map((isDeadly) =>
      isDeadly ? 'the thread that reads its document dies' : problems.shift(),
    ),
  }
}

/** @throws `error`, unless a thread has died that had begun to read */
function deathOf(error: unknown): WorkerDied {
  if (error instanceof WorkerDied && error.hasStarted) return error
  throw error
}
