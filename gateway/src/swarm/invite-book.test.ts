/** Invites on disk: which of them count, and how often. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createInviteSecret, inviteIdOf } from '@catalog-p2p/core'
import { openInviteBook, type InviteBook } from './invite-book.ts'

const HOUR_MS = 3_600_000
const secret = createInviteSecret()
const id = inviteIdOf(secret)
let folder: string
let nowMs = 0
let used: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-invites-'))
  nowMs = Date.now()
  used = []
})
afterEach(() => rm(folder, { recursive: true, force: true }))

function book(): InviteBook {
  return openInviteBook(folder, {
    gift: () => Buffer.from('the swarm'),
    onUsed: (one) => used.push(one),
    now: () => nowMs,
  })
}

async function redeem(from: InviteBook): Promise<string> {
  const invite = from.find(id)
  if (invite === undefined) return 'unknown'
  expect(Buffer.from(invite.secret).equals(secret)).toBe(true)
  return await invite.redeem().then(
    (gift) => Buffer.from(gift).toString(),
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
}

test('one for one machine counts once, over restarts and for two at a time', async () => {
  await book().add({ secret, untilMs: nowMs + HOUR_MS, once: true })
  const both = await Promise.all([redeem(book()), redeem(book())])
  expect(both.sort()).toEqual(['the invite was used before', 'the swarm'])
  expect(await redeem(book())).toBe('the invite was used before')
  expect(used).toEqual([id])
})

test('one for many counts as often as somebody comes, until its time is up', async () => {
  const untilMs = nowMs + HOUR_MS
  await book().add({ secret, untilMs, once: false })
  expect([await redeem(book()), await redeem(book())]).toEqual(['the swarm', 'the swarm'])
  nowMs = untilMs
  expect(await redeem(book())).toBe(`the invite ended at ${new Date(untilMs).toISOString()}`)
  expect(used).toEqual([id, id])
})

test('one that nobody has given is unknown, as are those of a swarm that was left', async () => {
  expect(await redeem(book())).toBe('unknown')
  expect(book().find('../../etc/passwd')).toBeUndefined()
  await book().add({ secret, untilMs: nowMs + HOUR_MS, once: true })
  await book().forgetAll()
  expect(await redeem(book())).toBe('unknown')
})

test('old ones are forgotten when another one is made', async () => {
  await book().add({ secret, untilMs: nowMs + HOUR_MS, once: true })
  nowMs += 31 * 24 * HOUR_MS
  await book().add({ secret: createInviteSecret(), untilMs: nowMs + HOUR_MS, once: true })
  expect(await readdir(folder)).toHaveLength(1)
})
