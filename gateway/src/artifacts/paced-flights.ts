/**
 * One question about each thing at a time, whether who waits for the answer is patient or in a hurry: the one joins what the other
 * has asked. A hurried caller gives up for itself alone; a patient one asks again when a hurried question that it joined has failed.
 */
import { createSingleFlight } from '../single-flight.ts'

type Work<T> = (signal: AbortSignal) => Promise<T>

export interface PacedFlights<T> {
  patient(key: string, work: Work<T>, signal: AbortSignal): Promise<T>
  /** @param inTime ends what it is given when it takes too long for this caller */
  hurried(
    key: string,
    work: Work<T>,
    how: {
      readonly inTime: (work: Work<T>, signal: AbortSignal) => Promise<T>
      signal: AbortSignal
    },
  ): Promise<T>
}

export function createPacedFlights<T>(): PacedFlights<T> {
  const patient = createSingleFlight<T>()
  const hurried = createSingleFlight<T>()

  return {
    async patient(key, work, signal) {
      if (hurried.has(key)) {
        try {
          return await hurried.run(key, work, signal)
        } catch {
          signal.throwIfAborted()
        }
      }
      return await patient.run(key, work, signal)
    },
    async hurried(key, work, { inTime, signal }) {
      if (!patient.has(key)) return await hurried.run(key, (all) => inTime(work, all), signal)
      return await inTime((until) => patient.run(key, work, until), signal)
    },
  }
}
