/** Whether Ctrl-C reaches the command without us. */
import { expect, test } from 'vitest'
import { sharesTerminal } from './signal-relay.ts'

test.each([
  ['all of it', [0, 1, 2], true],
  ['input redirected', [1, 2], true],
  ['all but the errors redirected', [2], true],
  ['nothing, as in CI', [], false],
])('a terminal, %s', (_, terminals, shared) => {
  expect(sharesTerminal((stream) => terminals.includes(stream))).toBe(shared)
})
