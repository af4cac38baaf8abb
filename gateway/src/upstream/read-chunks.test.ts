import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { readChunks } from './read-chunks.ts'

test('a body that broke before anybody read it is no empty one', async () => {
  const body = new Readable({ read: () => undefined })
  body.on('error', () => undefined)
  body.push('some')
  body.destroy(new Error('reset'))
  await new Promise((resolve) => body.once('close', resolve))
  await expect(readChunks(body, () => undefined)).rejects.toThrow('reset')
})

test('a body that is closed before its end has broken off', async () => {
  const body = new Readable({ read: () => undefined })
  const chunks: Buffer[] = []
  const reading = readChunks(body, (chunk) => {
    chunks.push(chunk)
    body.destroy()
  })
  body.push('some')
  await expect(reading).rejects.toThrow('broke off')
  expect(Buffer.concat(chunks).toString()).toBe('some')
})

test('whoever refuses a chunk gets no more', async () => {
  const body = Readable.from([Buffer.from('a'), Buffer.from('b')])
  let seen = 0
  const reading = readChunks(body, () => {
    seen += 1
    throw new Error('too much')
  })
  await expect(reading).rejects.toThrow('too much')
  expect(seen).toBe(1)
  expect(body.destroyed).toBe(true)
})
