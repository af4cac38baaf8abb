import { describe, expect, it } from 'vitest'
import { createLanBudget } from './lan-budget.ts'

const about = (...peers: string[]): Map<string, string[]> =>
  new Map(peers.map((peer) => [peer, [`/ip4/192.168.1.2/tcp/1/p2p/${peer}`]]))

describe('what the LAN may show', () => {
  it('of 3,000 made-up peers of one source a few, and the neighbour beside it', () => {
    const budget = createLanBudget()
    let admitted = 0
    for (let n = 0; n < 3_000; n += 1) {
      admitted += budget.admit('192.168.1.66', about(`made-up-${n}`), n).length
    }
    expect(admitted).toBeLessThanOrEqual(17)
    expect(budget.admit('192.168.1.7', about('honest'), 3_000)).toHaveLength(1)
  })

  it('of forged sources no more than all together may', () => {
    const budget = createLanBudget()
    let admitted = 0
    for (let n = 0; n < 3_000; n += 1) {
      admitted += budget.admit(`10.0.${n >> 8}.${n & 255}`, about(`made-up-${n}`), n).length
    }
    expect(admitted).toBeLessThanOrEqual(256 + 3 * 8)
  })

  it('a peer that shows itself again costs nothing, however long it does', () => {
    const budget = createLanBudget()
    for (let n = 0; n < 1_000; n += 1) {
      expect(budget.admit('192.168.1.7', about('honest'), 0)).toHaveLength(1)
    }
  })

  it('many nodes of a machine come one after another', () => {
    const budget = createLanBudget()
    const names = Array.from({ length: 30 }, (_, n) => `node-${n}`)
    const admitted = new Set<string>()
    for (let second = 0; second < 120; second += 10) {
      for (const name of names) {
        for (const [peer] of budget.admit('192.168.1.7', about(name), second * 1_000))
          admitted.add(peer)
      }
    }
    expect(admitted.size).toBe(30)
  })

  it('takes a few peers of a packet, a few addresses of a peer, and link-local sources for what they are', () => {
    const budget = createLanBudget()
    const many = about(...Array.from({ length: 60 }, (_, n) => `p${n}`))
    expect(budget.admit('fe80::1%eth0', many, 0)).toHaveLength(4)
    const addresses = Array.from({ length: 60 }, (_, n) => `/ip4/192.168.1.${n}/tcp/1/p2p/x`)
    const [[, believed] = []] = budget.admit('fe80::2%eth0', new Map([['x', addresses]]), 0)
    expect(believed).toHaveLength(16)
    for (let n = 0; n < 100; n += 1) budget.admit('fe80::1%eth0', about(`q${n}`), 0)
    expect(budget.admit('fe80::2%eth0', about('y'), 0)).toHaveLength(1)
  })
})
