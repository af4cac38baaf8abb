/**
 * One question about each thing at a time, whether who waits for the answer is patient or in a hurry: who is in a hurry joins what a
 * patient one has asked, and each gives up for itself alone. Who is patient never joins a hurried question, which is asked less often
 * when it fails.
 */
import { createSingleFlight } from '../single-flight.ts'

type Work<T> = (signal: AbortSignal) => Promise<T>

export interface PacedFlights<T> {
  readonly patient: (key: string, work: Work<T>, signal: AbortSignal) => Promise<T>
  /** @param inTime ends what it is given when it takes too long for this caller */
  readonly hurried: (
    key: string,
    work: Work<T>,
    how: {
      readonly inTime: (work: Work<T>, signal: AbortSignal) => Promise<T>
      readonly signal: AbortSignal
    },
  ) => Promise<T>
}

export function createPacedFlights<T>(): PacedFlights<T> {
  const patient = createSingleFlight<T>()
  const hurried = createSingleFlight<T>()

  return {
    patient: (key, work, signal) => patient.run(key, work, signal),
    hurried: (key, work, { inTime, signal }) =>
      inTime((until) => (patient.has(key) ? patient : hurried).run(key, work, until), signal),
  }
}
