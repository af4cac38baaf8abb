import { NotFoundError, type PeerStore } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { addressesOf } from './dial.ts'

const PEER = '12D3KooWBfvqYyj3yv9qKZhvEDsNVc2VaJzG5yPw8QKWpi3TcSN6'

/** As it is when the row goes away between two questions: it is there, and it is not. */
function forgetful(error: Error): Pick<PeerStore, 'has' | 'get'> {
  return { has: async () => true, get: () => Promise.reject(error) }
}

describe('addresses of a peer', () => {
  it('are none of one that was just forgotten', async () => {
    const peerStore = forgetful(new NotFoundError('no record'))
    expect(await addressesOf({ peerStore }, PEER)).toEqual([])
  })

  it('are not hidden by a failure: that is told', async () => {
    const peerStore = forgetful(new Error('database is locked'))
    await expect(addressesOf({ peerStore }, PEER)).rejects.toThrow('database is locked')
  })
})
