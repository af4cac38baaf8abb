import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { isOwnOrSystems, isSystems, ownersIn } from './port-owner.ts'

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:130A 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 111 1 0 100 0 0 10 0
   1: 00000000:130A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 112 1 0 100 0 0 10 0
   2: 0100007F:130A 0100007F:C000 01 00000000:00000000 00:00000000 00000000  1002        0 113 1 0 100 0 0 10 0
   3: 0200007F:130A 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1003        0 114 1 0 100 0 0 10 0
   4: 0100007F:130B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1004        0 115 1 0 100 0 0 10 0
`
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:130A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 65000        0 211 1 0 100 0 0 10 0
   1: 00000000000000000000000001000000:130A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1005        0 212 1 0 100 0 0 10 0
`

test('who listens for 127.0.0.1 on a port, as the kernel tells it', () => {
  expect(ownersIn(TCP, 4874)).toEqual([1001, 0])
  expect(ownersIn(TCP6, 4874)).toEqual([65_000])
  expect(ownersIn(TCP, 1)).toEqual([])
  expect(ownersIn('', 4874)).toEqual([])
})

test.each([
  [0, true],
  [999, true],
  [1000, false],
  [60_001, false],
  [61_184, true],
  [65_519, true],
  // Whom the kernel can't name here: another user namespace's.
  [65_534, false],
  [100_000, false],
  [Number.NaN, false],
])('user %d is of the system: %s', (uid, expected) => {
  expect(isSystems(uid)).toBe(expected)
})

test('a port of our own, and one of nobody’s', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  expect(await isOwnOrSystems(port)).toBe(process.platform === 'linux')
  server.close()
  await once(server, 'close')
  expect(await isOwnOrSystems(port)).toBe(false)
})
