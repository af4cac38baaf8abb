/** What `catalog status` and `catalog doctor` say of a private swarm, from its file and the certificate in it. */
import {
  createSwarmKey,
  generateKey,
  issueCertificate,
  keyIdOf,
  type SwarmFile,
} from '@catalog-p2p/core'
import { describe, expect, test } from 'vitest'
import { swarmFinding } from '../doctor/swarm-check.ts'
import { swarmFacts } from '../status/swarm-facts.ts'
import { reportOnSwarm, type SwarmCircumstances } from './swarm-report.ts'

const NOW_MS = Date.UTC(2026, 10, 29)
const DAY_MS = 86_400_000
const SELF = '12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6'
const rootKey = generateKey()
const root = keyIdOf(rootKey.publicKey)
const keys = [{ key: createSwarmKey() }]
const rest = { name: 'acme', shareScopes: [], bootstrap: [] }
const keyed: SwarmFile = { ...rest, keys }

function certified(
  how: {
    peer?: string
    swarm?: string
    fromDays?: number
    days?: number
    by?: typeof rootKey
  } = {},
): SwarmFile {
  const { peer = SELF, swarm = 'acme', fromDays = -1, days = 30, by = rootKey } = how
  const claims = {
    ...{ subject: { kind: 'machine', peer } as const, names: [swarm], note: '' },
    ...{ notBeforeMs: NOW_MS + fromDays * DAY_MS, notAfterMs: NOW_MS + days * DAY_MS },
  }
  return { ...keyed, root, certificate: issueCertificate(claims, by) }
}

const now = (how: Partial<SwarmCircumstances> = {}): SwarmCircumstances => ({
  ...{ nowMs: NOW_MS, self: SELF, members: 2, revoked: new Set<string>(), isDaemonOfIt: true },
  ...how,
})
const finding = (file: SwarmFile, how: Partial<SwarmCircumstances> = {}) =>
  swarmFinding(reportOnSwarm(file, now(how)), { nowMs: NOW_MS, isRunning: true })

test('a machine that is in order says with whom, and until when', () => {
  const report = reportOnSwarm(certified(), now())
  expect(report).toMatchObject({ name: 'acme', root, members: 2, problem: null })
  expect(swarmFacts(report)).toEqual([
    [
      'private swarm',
      '"acme", 2 other members connected, certified until 2026-12-29T00:00:00.000Z',
    ],
  ])
  expect(finding(keyed)).toMatchObject({ verdict: 'ok', text: '"acme": 2 other members connected' })
  expect(swarmFacts(null)).toEqual([])
})

describe('nobody lets it in, and what to do is said:', () => {
  test.each<[string, SwarmFile, RegExp, RegExp, Partial<SwarmCircumstances>?]>([
    ['no certificate', { ...keyed, root }, /no certificate of the root/, /ca issue PEER-ID/],
    ['ended', certified({ fromDays: -9, days: -1 }), /ended at 2026-11-28/, /ca renew PEER-ID/],
    ['not begun: a clock is wrong', certified({ fromDays: 1 }), /begins at 2026-11-30/, /clock/],
    [
      'of another machine',
      certified({ peer: `${SELF.slice(0, -1)}7` }),
      /is of machine/,
      /ca issue/,
    ],
    ['for another swarm', certified({ swarm: 'other' }), /is for other only/, /--for acme/],
    ['of another root', certified({ by: generateKey() }), /is signed by/, /ca issue/],
    ['revoked', certified(), /has been revoked/, /ca list/, { revoked: new Set([SELF]) }],
    [
      'its key is over',
      { ...keyed, keys: [{ key: createSwarmKey(), untilMs: NOW_MS - 1 }] },
      /the key .* is over/,
      /swarm invite.*swarm join/,
    ],
    ['its daemon is older', keyed, /started before/, /restart/, { isDaemonOfIt: false }],
  ])('%s', (_what, file, text, next, how) => {
    const found = finding(file, how)
    expect(found).toMatchObject({ verdict: 'fail', text: expect.stringMatching(text) })
    expect(found.next).toMatch(next)
    const [, problem] = swarmFacts(reportOnSwarm(file, now(how)))
    expect(problem).toEqual(['PROBLEM', expect.stringMatching(text)])
  })
})

test.each<[string, SwarmFile, RegExp, RegExp, Partial<SwarmCircumstances>?]>([
  ['a certificate that ends', certified({ days: 6 }), /ends at 2026-12-05/, /ca renew/],
  [
    'a key that ends',
    { ...keyed, keys: [{ key: createSwarmKey(), untilMs: NOW_MS + 6 * DAY_MS }] },
    /key .* ends at 2026-12-05/,
    /swarm join/,
  ],
  ['nobody there', certified(), /no other member of "acme"/, /--bootstrap/, { members: 0 }],
])('worth a look: %s', (_what, file, text, next, how) => {
  const found = finding(file, how)
  expect(found).toMatchObject({ verdict: 'warn', text: expect.stringMatching(text) })
  expect(found.next).toMatch(next)
})

test('while no daemon runs nobody is missed, and the certificate is judged as what it says it is', () => {
  const report = reportOnSwarm(certified(), now({ self: undefined, members: 0 }))
  expect(swarmFinding(report, { nowMs: NOW_MS, isRunning: false }).verdict).toBe('ok')
})
