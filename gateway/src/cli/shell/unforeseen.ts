/**
 * Errors that no code has foreseen: an exception in an event handler, a rejection that nobody waits for. Without a listener Node
 * ends the process with a bare stack. It decides nothing: whoever listens says what becomes of the process.
 */

/** The part of `process` that is used. */
export interface Emitter {
  on(event: 'uncaughtException', listener: (error: unknown) => void): unknown
  off(event: 'uncaughtException', listener: (error: unknown) => void): unknown
}

/** Rejections come here as well: Node raises them (its default, `--unhandled-rejections=throw`). @returns stops listening */
export function onUnforeseen(
  report: (error: unknown) => void,
  emitter: Emitter = process,
): () => void {
  const listener = (error: unknown): void => report(error)
  emitter.on('uncaughtException', listener)
  return () => void emitter.off('uncaughtException', listener)
}
