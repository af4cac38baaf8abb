import { describe, expect, test } from 'vitest'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import type { GroupBan } from './group-bans.ts'
import { createPeerScores, type PeerBan } from './peer-score.ts'

const MINUTE = 60_000
const idle = (): number => 0

function world() {
  const clock = createFakeClock()
  const bans: { peer: string; reason: string; forMs: number }[] = []
  const scores = createPeerScores(clock, (peer, reason, forMs) =>
    bans.push({ peer, reason, forMs }),
  )
  const answered = (peer: string, answerMs: number, times = 10): void => {
    for (let time = 0; time < times; time++) scores.answered(peer, { answerMs, bytes: 100 })
  }
  return { clock, bans, scores, answered }
}

describe('rank', () => {
  test('quick ones first, unknown ones like ordinary ones, those with much to do later', () => {
    const { scores, answered } = world()
    answered('quick', 5)
    answered('slow', 200)
    expect(scores.rank(['slow', 'new', 'quick'], idle)).toEqual(['quick', 'new', 'slow'])
    const outstanding = (peer: string): number => (peer === 'quick' ? 30 : 0)
    expect(scores.rank(['quick', 'new'], outstanding)).toEqual(['new', 'quick'])
  })

  test('a backed-off peer comes last, a banned one not at all', async () => {
    const { scores, answered, clock } = world()
    answered('quick', 1)
    answered('slow', 80)
    for (let time = 0; time < 3; time++) scores.recordTimeout('quick')
    scores.penalize('liar', 'wrong bytes')
    expect(scores.rank(['liar', 'quick', 'slow'], idle)).toEqual(['slow', 'quick'])
    await clock.advance(500)
    expect(scores.rank(['quick', 'slow'], idle)).toEqual(['quick', 'slow'])
  })
})

describe('backing off', () => {
  test('begins with the third late answer in a row, not before', () => {
    const { scores } = world()
    scores.recordTimeout('a')
    scores.recordTimeout('a')
    scores.answered('a', { answerMs: 1, bytes: 1 })
    scores.recordTimeout('a')
    scores.recordTimeout('a')
    expect(scores.isBackedOff('a')).toBe(false)
    scores.recordTimeout('a')
    expect(scores.isBackedOff('a')).toBe(true)
    expect(scores.isBanned('a')).toBe(false)
  })

  test('grows with each time up to a minute, and ends with a good answer', async () => {
    const { scores, clock } = world()
    for (let time = 0; time < 2; time++) scores.recordTimeout('a')
    const lasted: number[] = []
    for (let time = 0; time < 9; time++) {
      scores.recordTimeout('a')
      lasted.push(
        await clock.advanceUntil(() => !scores.isBackedOff('a'), {
          maxMs: 2 * MINUTE,
          stepMs: 100,
        }),
      )
    }
    expect(lasted).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, MINUTE, MINUTE])
    scores.recordTimeout('a')
    scores.answered('a', { bytes: 1 })
    expect(scores.isBackedOff('a')).toBe(false)
    for (let time = 0; time < 3; time++) scores.recordTimeout('a')
    await clock.advance(500)
    expect(scores.isBackedOff('a')).toBe(false)
  })

  test('many requests late together are one reason', async () => {
    const { scores, clock } = world()
    for (let time = 0; time < 60; time++) scores.recordTimeout('a')
    await clock.advance(500)
    expect(scores.isBackedOff('a')).toBe(false)
  })
})

describe('bans', () => {
  test('grow fourfold with each lie, up to a day', async () => {
    const { scores, bans, clock } = world()
    for (let time = 0; time < 7; time++) {
      await clock.advance(1440 * MINUTE)
      scores.penalize('a', 'wrong bytes')
    }
    expect(bans.map(({ forMs }) => forMs / MINUTE)).toEqual([1, 4, 16, 64, 256, 1024, 1440])
    expect(bans[0]).toMatchObject({ peer: 'a', reason: 'wrong bytes' })
    expect(scores.strikes('a')).toBe(7)
    expect(scores.totalStrikes()).toBe(7)
    expect(scores.bannedCount()).toBe(1)
    await clock.advance(1440 * MINUTE)
    expect(scores.isBanned('a')).toBe(false)
    expect(scores.bannedCount()).toBe(0)
  })

  test('many lies that come to light together are one', () => {
    const { scores, bans } = world()
    for (let time = 0; time < 8; time++) scores.penalize('a', 'a chunk that does not match')
    expect(bans.map(({ forMs }) => forMs)).toEqual([MINUTE])
    expect(scores.strikes('a')).toBe(1)
  })

  test('a suspicion is no ban, three are', () => {
    const { scores, bans } = world()
    scores.suspect('a', 'a manifest of other bytes')
    scores.suspect('a', 'a manifest of other bytes')
    expect(scores.isBanned('a')).toBe(false)
    scores.suspect('a', 'a manifest of other bytes')
    expect(scores.isBanned('a')).toBe(true)
    expect(bans).toHaveLength(1)
  })

  test('a good answer ends suspicions', () => {
    const { scores } = world()
    for (let time = 0; time < 6; time++) {
      scores.suspect('a', 'a manifest of other bytes')
      if (time % 2 === 1) scores.answered('a', { bytes: 1 })
    }
    expect(scores.isBanned('a')).toBe(false)
  })
})

describe('bans of an address', () => {
  function behindOneAddress() {
    const clock = createFakeClock()
    const records: (PeerBan | GroupBan)[] = []
    const scores = createPeerScores(clock, () => undefined, {
      groupOf: (peer) => (peer === 'relayed' ? 'relay 203.0.113.7' : peer.split(' ')[0]),
      onRecord: (ban) => records.push(ban),
    })
    return { clock, scores, records }
  }

  test('one liar is not held against its address, nor is one that lies again', async () => {
    const { scores, clock } = behindOneAddress()
    for (let time = 0; time < 5; time++) {
      scores.penalize('nat a', 'wrong bytes')
      await clock.advance(10 * MINUTE)
    }
    scores.penalize('nat b', 'wrong bytes')
    expect(scores.isBanned('nat colleague')).toBe(false)
  })

  test('after three ids have lied a new one is not let in, for five minutes; others are', async () => {
    const { scores, clock, records } = behindOneAddress()
    for (const id of ['a', 'b', 'c']) scores.penalize(`evil ${id}`, 'wrong bytes')
    expect(scores.isBanned('new', 'evil')).toBe(true)
    expect(scores.isBanned('evil d')).toBe(true)
    expect(scores.rank(['evil d', 'elsewhere e'], idle)).toEqual(['elsewhere e'])
    expect(scores.isBanned('new', 'elsewhere')).toBe(false)
    expect(records).toContainEqual({ group: 'evil', strikes: 1, forMs: 5 * MINUTE })
    await clock.advance(5 * MINUTE)
    expect(scores.isBanned('evil d')).toBe(false)
  })

  test('grows with each time, up to an hour', async () => {
    const { scores, clock, records } = behindOneAddress()
    for (let id = 0; id < 9; id++) {
      scores.penalize(`evil ${id}`, 'wrong bytes')
      await clock.advance(12 * MINUTE)
    }
    const minutes = records.flatMap((ban) => ('group' in ban ? [ban.forMs / MINUTE] : []))
    expect(minutes).toEqual([5, 20, 60])
  })

  test('whoever behind it has sent good bytes and never lied stays', () => {
    const { scores } = behindOneAddress()
    scores.answered('nat good', { answerMs: 1, bytes: 1000 })
    for (const id of ['a', 'b', 'c']) scores.penalize(`nat ${id}`, 'wrong bytes')
    expect(scores.isBanned('nat good')).toBe(false)
    expect(scores.isBanned('nat other')).toBe(true)
  })

  test('those behind a relay are not banned for each other', () => {
    const clock = createFakeClock()
    const groupOf = (): string => 'relay 203.0.113.7'
    const scores = createPeerScores(clock, () => undefined, { groupOf })
    for (const id of ['a', 'b', 'c', 'd']) scores.penalize(id, 'wrong bytes')
    expect(scores.isBanned('e')).toBe(false)
  })

  test('a network that we are on is never banned; one machine on it is', () => {
    const clock = createFakeClock()
    const records: (PeerBan | GroupBan)[] = []
    const scores = createPeerScores(clock, () => undefined, {
      groupOf: (peer) => peer.split(' ')[0],
      isLocal: (ip) => ip.startsWith('fd00:') || ip.startsWith('192.168.1.'),
      restored: [{ group: 'fd00:0:0:2::/64', strikes: 1, forMs: MINUTE }],
      onRecord: (ban) => records.push(ban),
    })
    expect(scores.isBanned('fd00:0:0:2::/64 colleague')).toBe(false)
    for (const group of ['fd00:0:0:1::/64', '192.168.1.7', '2001:db8:0:1::/64']) {
      for (const id of ['a', 'b', 'c']) scores.penalize(`${group} ${id}`, 'wrong bytes')
    }
    expect(scores.isBanned('fd00:0:0:1::/64 colleague')).toBe(false)
    expect(scores.isBanned('192.168.1.7 other')).toBe(true)
    expect(scores.isBanned('2001:db8:0:1::/64 other')).toBe(true)
    expect(records.flatMap((ban) => ('group' in ban ? [ban.group] : []))).toHaveLength(2)
  })

  test('go on after a restart, and the next lie costs more', async () => {
    const { scores, records } = behindOneAddress()
    for (const id of ['a', 'b', 'c']) scores.penalize(`evil ${id}`, 'wrong bytes')
    const clock = createFakeClock()
    const bans: number[] = []
    const again = createPeerScores(clock, (_peer, _reason, forMs) => bans.push(forMs), {
      groupOf: (peer) => peer.split(' ')[0],
      restored: records,
    })
    expect(scores.isBanned('evil a')).toBe(true)
    expect(again.isBanned('evil a')).toBe(true)
    expect(again.isBanned('evil new')).toBe(true)
    await clock.advance(5 * MINUTE)
    expect(again.isBanned('evil a')).toBe(false)
    again.penalize('evil a', 'wrong bytes')
    expect(bans).toEqual([4 * MINUTE])
  })
})

describe('hedgeMs', () => {
  test('learned from the peer, within its bounds', () => {
    const { scores, answered } = world()
    expect(scores.hedgeMs('new')).toBe(60)
    answered('quick', 1, 50)
    expect(scores.hedgeMs('quick')).toBe(40)
    answered('steady', 55, 100)
    expect(scores.hedgeMs('steady')).toBeCloseTo(55, 0)
    answered('slow', 5_000)
    expect(scores.hedgeMs('slow')).toBe(90)
  })

  test('one chunk of many says nothing about how quickly a peer answers', () => {
    const { scores } = world()
    scores.answered('a', { answerMs: 10, bytes: 1 })
    for (let time = 0; time < 100; time++) scores.answered('a', { bytes: 1_000_000 })
    expect(scores.answerMs('a')).toBe(10)
    expect(scores.receivedBytes('a')).toBe(100_000_001)
  })
})

describe('memory', () => {
  test('is bounded; who was seen last and who is banned stay', () => {
    const { scores, answered } = world()
    scores.penalize('liar', 'wrong bytes')
    answered('old', 7)
    for (let index = 0; index < 6_000; index++) answered(`peer-${index}`, 1, 1)
    expect(scores.isBanned('liar')).toBe(true)
    expect(scores.answerMs('old')).toBeUndefined()
    expect(scores.answerMs('peer-0')).toBeUndefined()
    expect(scores.answerMs('peer-5999')).toBe(1)
  })

  test('an army of liars neither grows it nor has the newest lie forgotten', () => {
    const { scores } = world()
    for (let index = 0; index < 5_100; index++) scores.penalize(`liar-${index}`, 'wrong bytes')
    expect(scores.bannedCount()).toBe(5_000)
    expect(scores.isBanned('liar-5099')).toBe(true)
    expect(scores.totalStrikes()).toBe(5_100)
  })
})
