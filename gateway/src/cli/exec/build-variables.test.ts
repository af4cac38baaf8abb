/** Which variables build tools get, and that those of the user stand. */
import { expect, test } from 'vitest'
import { buildsFor, buildVariables } from './build-variables.ts'

const writes = { url: 'http://127.0.0.1:4874/', mode: 'write', token: 'a-token' } as const
const reads = { ...writes, mode: 'read' } as const
const SERVER = 'http://127.0.0.1:4874/-/catalog/builds'
const NX = {
  NX_SELF_HOSTED_REMOTE_CACHE_SERVER: `${SERVER}/default`,
  NX_SELF_HOSTED_REMOTE_CACHE_ACCESS_TOKEN: 'a-token',
}
const TURBO = { TURBO_API: `${SERVER}/default`, TURBO_TOKEN: 'a-token', TURBO_TEAM: 'default' }

test('none where the gateway has no build results', () => {
  expect(buildVariables({ ...writes, mode: 'off' }, {})).toEqual({})
})

test('each tool’s address and token, of the team that the user names', () => {
  expect(buildVariables(writes, { PATH: '/bin' })).toEqual({ ...TURBO, ...NX })
  const named = buildVariables(writes, { TURBO_TEAM: 'acme' })
  expect(named).toMatchObject({ TURBO_API: `${SERVER}/acme` })
  expect(named).toMatchObject({ NX_SELF_HOSTED_REMOTE_CACHE_SERVER: `${SERVER}/acme` })
  expect(named).not.toHaveProperty('TURBO_TEAM')
  // What can't be in an address here.
  const odd = buildVariables(writes, { TURBO_TEAM: '../admin' })
  expect(odd).toMatchObject({ TURBO_API: `${SERVER}/default` })
})

test('who only reads is given no token, and Turborepo does not try to write', () => {
  for (const given of [reads, { ...writes, token: undefined }]) {
    const variables = buildVariables(given, {})
    expect(Object.values(variables)).not.toContain('a-token')
    expect(variables).toMatchObject({ TURBO_CACHE: 'local:rw,remote:r' })
    expect(buildVariables(given, { TURBO_CACHE: 'remote:r' })).not.toHaveProperty('TURBO_CACHE')
  }
})

test.each(['TURBO_API', 'TURBO_TOKEN', 'Turbo_Token', 'VERCEL_ARTIFACTS_TOKEN'])(
  'nothing for Turborepo where %s is set, even to nothing',
  (name) => {
    expect(buildVariables(writes, { [name]: '' })).toEqual(NX)
  },
)

test.each(['NX_SELF_HOSTED_REMOTE_CACHE_SERVER', 'NX_CLOUD_ACCESS_TOKEN'])(
  'nothing for Nx where %s is set',
  (name) => {
    expect(buildVariables(writes, { [name]: 'theirs' })).toEqual(TURBO)
  },
)

test('a command that only installs is given no token, since scripts of its packages run in it', async () => {
  const asked: string[] = []
  const buildToken = async (): Promise<string> => `token-${asked.push('')}`
  const gateway = { url: writes.url, buildToken }
  const tokenOf = async (mode: 'read' | 'write', isInstall: boolean): Promise<string | undefined> =>
    (await buildsFor(gateway, { mode, isInstall }, {})).TURBO_TOKEN
  expect(await tokenOf('write', true)).toBe('reads-only')
  expect(await tokenOf('read', false)).toBe('reads-only')
  expect(asked).toEqual([])
  expect(await tokenOf('write', false)).toBe('token-1')
})
