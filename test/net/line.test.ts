/**
 * A machine at the end of a line sends no faster than the line carries: what it is given beyond that waits in a queue with an
 * end, which is longer on a faster line. (How fast a line is, is for bench/ to measure: a test that times is noise.)
 */
import { describe, expect, test } from 'vitest'
import { createLan, whyNoNamespaces, type Line } from '../support/machines/namespaces.ts'

/** So slow that what is sent below takes 11 seconds, and giving it to the machine a moment. */
const SLOW: Line = { bitsPerSecond: 1_000_000 }
/** All of what is sent below has room in front of it. */
const FAST: Line = { bitsPerSecond: 1_000_000_000 }
const DATAGRAMS = 1000
const DATAGRAM_BYTES = 1400

const reason = await whyNoNamespaces(SLOW)
if (reason !== undefined) console.warn(`skipped: ${reason}`)

/** Through as many sockets, because one would wait for its own datagrams to leave. */
const sendAll = (ipv4: string): string => `
  const { createSocket } = require('node:dgram')
  let left = ${DATAGRAMS}
  for (let i = 0; i < ${DATAGRAMS}; i += 1) {
    const socket = createSocket('udp4')
    socket.send(Buffer.alloc(${DATAGRAM_BYTES}), 9, '${ipv4}', () => {
      socket.close()
      left -= 1
      if (left === 0) console.log('sent')
    })
  }`

describe.skipIf(reason !== undefined)('what a machine sends', () => {
  test.each([
    { name: 'is dropped when the queue in front of its line is full', line: SLOW, isDropped: true },
    { name: 'waits when there is room', line: FAST, isDropped: false },
  ])('$name', async ({ line, isDropped }) => {
    await using lan = await createLan(['sender', 'receiver'], line)
    const [sender, receiver] = lan.machines
    if (sender === undefined || receiver === undefined) throw new Error('two were asked for')
    const said = await sender.run(process.execPath, '-e', sendAll(receiver.ipv4))
    expect(said.trim()).toBe('sent')
    expect((await lan.droppedPackets()) > 0).toBe(isDropped)
  })
})
