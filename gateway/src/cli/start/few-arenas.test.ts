import { expect, test } from 'vitest'
import { environmentOfFewArenas, type Beginning } from './few-arenas.ts'

const DAEMON: Beginning = {
  platform: 'linux',
  argv: ['node', 'cli.js', 'start', '--json'],
  env: { HOME: '/home/me' },
  hasChannel: false,
}

test('a daemon on Linux begins again with two arenas, and not a third time', () => {
  const env = environmentOfFewArenas(DAEMON)
  expect(env).toEqual({ HOME: '/home/me', MALLOC_ARENA_MAX: '2' })
  expect(environmentOfFewArenas({ ...DAEMON, env: env ?? {} })).toBeUndefined()
})

test.each<[string, Partial<Beginning>]>([
  ['another command', { argv: ['node', 'cli.js', 'exec', '--', 'npm', 'start'] }],
  ['another system', { platform: 'darwin' }],
  ['a parent that listens to it', { hasChannel: true }],
  ['settings of the user', { env: { GLIBC_TUNABLES: 'glibc.malloc.arena_max=1' } }],
])('%s: nothing begins again', (_, changed) => {
  expect(environmentOfFewArenas({ ...DAEMON, ...changed })).toBeUndefined()
})
