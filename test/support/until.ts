/** Waits for a condition with a deadline: for what has no event to wait for. */
export async function until(
  condition: () => boolean,
  { deadlineMs = 10_000, what = String(condition) }: { deadlineMs?: number; what?: string } = {},
): Promise<void> {
  const endsAtMs = performance.now() + deadlineMs
  while (!condition()) {
    if (performance.now() > endsAtMs) throw new Error(`not so after ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
