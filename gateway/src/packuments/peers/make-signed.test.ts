/** Documents of peers that kill the thread which reads them: whose it was is found out, and the others count. */
import { describe, expect, test } from 'vitest'
import { WorkerDied, type PackumentJobs } from '../worker/packument-jobs.ts'
import { makeSignedOfPeers } from './make-signed.ts'

/** Threads that die of the document of `deadly`, and of nothing else. */
function jobsThatDieOf(deadly: readonly string[]): PackumentJobs & { readonly runs: string[] } {
  const runs: string[] = []
  return {
    runs,
    async run({ signedOnly, name }) {
      const documents = signedOnly?.documents ?? []
      runs.push(documents.map(({ peer }) => peer).join('+'))
      if (documents.some(({ peer }) => deadly.includes(peer))) {
        throw new WorkerDied(name, { deaths: 2, hasStarted: true, cause: 'out of memory' })
      }
      const problems = documents.map(() => undefined)
      const body = documents.length === 0 ? undefined : Uint8Array.of(documents.length)
      const signed = { body, hasTimes: false, problems, witness: undefined, gone: new Map() }
      return { variant: undefined, ingested: undefined, signed }
    },
    close: async () => undefined,
  }
}

const job = {
  ...{ registry: 'https://registry.example/', name: 'fx-one', keys: [] },
  ...{ maxBytes: 1_000, isStrict: true },
  documents: ['a', 'b', 'c'].map((peer) => ({ peer, body: Uint8Array.of(1) })),
}

describe('of three documents', () => {
  test('that harm nobody, one reading is enough', async () => {
    const jobs = jobsThatDieOf([])
    const made = await makeSignedOfPeers(jobs, job)
    expect(made.problems).toEqual([undefined, undefined, undefined])
    expect(jobs.runs).toEqual(['a+b+c'])
  })

  test('the one that kills the thread is its peer’s problem alone', async () => {
    const jobs = jobsThatDieOf(['b'])
    const made = await makeSignedOfPeers(jobs, job)
    expect(made.problems).toEqual([undefined, expect.stringContaining('dies'), undefined])
    expect(made.body).toEqual(Uint8Array.of(2))
    expect(jobs.runs).toEqual(['a+b+c', 'a', 'b', 'c', 'a+c'])
  })

  test('all may', async () => {
    const made = await makeSignedOfPeers(jobsThatDieOf(['a', 'b', 'c']), job)
    expect(made.problems).toEqual(Array(3).fill(expect.stringContaining('dies')))
    expect(made.body).toBeUndefined()
  })

  test('none is blamed where no thread can be started', async () => {
    const facts = { deaths: 0, hasStarted: false, cause: 'no memory' }
    const jobs: PackumentJobs = {
      run: ({ name }) => Promise.reject(new WorkerDied(name, facts)),
      close: async () => undefined,
    }
    await expect(makeSignedOfPeers(jobs, job)).rejects.toThrow('no worker thread')
  })
})
