import { expect, test } from 'vitest'
import { CatalogError } from '../../errors.ts'
import { isAddressInUse } from './libp2p-errors.ts'

test('a port that was taken is known through all that is wrapped around it', () => {
  const quic = new Error(
    '/ip4/127.0.0.1/udp/1/quic-v1: Error: Address already in use (os error 98)',
  )
  const quicOnWindows = new Error(
    'Only one usage of each socket address (protocol/network address/port) is normally permitted. (os error 10048)',
  )
  const tcp = Object.assign(new Error('listen EADDRINUSE: address already in use'), {
    code: 'EADDRINUSE',
  })
  for (const cause of [quic, quicOnWindows, tcp]) {
    expect(isAddressInUse(new CatalogError('HOST_FAILED', 'did not start', { cause }))).toBe(true)
  }
  expect(isAddressInUse(new CatalogError('HOST_FAILED', 'did not start'))).toBe(false)
  expect(isAddressInUse('EADDRINUSE')).toBe(false)
})
