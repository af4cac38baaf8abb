import { expect, test } from 'vitest'
import { explanationLines } from './explain-command.ts'

test('says in aligned lines what was counted, and nothing in place of what was not', () => {
  const lines = explanationLines({
    ...{ client: 'npm/11.6.0', startedMs: 0, tookMs: 2_000, requests: 9_000, counted: 8_192 },
    mostAtOnce: 15,
    shares: [
      { cause: 'registry-wait', ms: 1_500, requests: 3, text: 'waiting for the registry' },
      { cause: 'client', ms: 500, requests: 0, text: 'the client asked for nothing' },
    ],
    findings: [],
    slowest: [
      { name: 'lodash', version: '4.17.21', ms: 900, text: 'from the registry' },
      { name: null, version: null, ms: 80, text: 'from this machine' },
    ],
    next: [],
  })
  expect(lines[0]).toMatch(
    /^npm\/11.6.0 at [\d:]{8}: 2.0 s for 9000 requests, of which the last 8192 are counted here, at most 15 at once$/,
  )
  expect(lines.slice(1)).toEqual([
    ...['', 'where the time went'],
    '   1.5 s  75 %  waiting for the registry',
    '  500 ms  25 %  the client asked for nothing',
    ...['', 'the longest'],
    '  900 ms    lodash@4.17.21: from the registry',
    '   80 ms    a private package: from this machine',
    ...['', 'for the next one', '  nothing that was counted here'],
  ])
})
