import { expect, test } from 'vitest'
import { WebLogins } from './web-logins.ts'

test('a login is over once it has been asked for, and its address alone gives nothing', () => {
  const logins = new WebLogins(() => 0)
  const { code, secret } = logins.begin()
  expect(logins.ask(secret)).toBe('waiting')
  expect(logins.isUnderWay(code)).toBe(true)
  logins.approve(code)
  expect(logins.isUnderWay(code)).toBe(false)
  expect(logins.ask(code)).toBeUndefined()
  expect(logins.ask(secret)).toBe('approved')
  expect(logins.ask(secret)).toBeUndefined()
})

test('they are bounded in number and in time', () => {
  let now = 0
  const logins = new WebLogins(() => now)
  const begun = Array.from({ length: 16 }, () => logins.begin())
  const [finished, oldest] = begun
  logins.approve(finished?.code ?? '')
  const all = [...begun.slice(2), logins.begin()]
  expect([logins.isUnderWay(oldest?.code ?? ''), logins.ask(oldest?.secret ?? '')]).toEqual([
    false,
    undefined,
  ])
  expect(logins.ask(finished?.secret ?? '')).toBe('approved')
  expect(all.every(({ secret }) => logins.ask(secret) === 'waiting')).toBe(true)
  now = 10 * 60_000
  for (const { code, secret } of all) {
    expect([logins.isUnderWay(code), logins.ask(secret)]).toEqual([false, undefined])
    logins.approve(code)
  }
  expect(logins.ask(logins.begin().secret)).toBe('waiting')
})
