/**
 * A vitest reporter that ends the output with one plain line, `N passed, N failed, N skipped`, for
 * people who scroll and for programs that don't. It only adds to what the default reporter says.
 */
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node'

export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    // An error that no test caught fails the run, so it counts.
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 }
    let long = 0
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'pending') counts.failed += 1
        else if (state === 'skipped' && isLeftForLater(test)) long += 1
        else counts[state] += 1
      }
      // A file that can't be loaded has no tests, and must not pass for nothing.
      if (module.state() === 'failed' && module.children.size === 0) counts.failed += 1
    }
    const { passed, failed, skipped } = counts
    process.once('exit', () => {
      if (long > 0) process.stdout.write(`\nleft for npm run test:all: ${long} tests\n`)
      process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`)
    })
  }
}

/** Left out by its tag, not skipped for a reason of its own. */
function isLeftForLater(test: TestCase): boolean {
  const result = test.result()
  return test.tags.includes('long') && result.state === 'skipped' && result.note === undefined
}
