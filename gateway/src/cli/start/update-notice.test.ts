import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import { gatewayWorld } from '../../../../test/support/gateway-world.ts'
import { updateNotice, wantsNotice } from './update-notice.ts'

test('is for people at a terminal; CI never sees it, nor who has said no', () => {
  expect(wantsNotice({ env: {}, canRewrite: true })).toBe(true)
  expect(wantsNotice({ env: { CI: 'false' }, canRewrite: true })).toBe(true)
  expect(wantsNotice({ env: {}, canRewrite: false })).toBe(false)
  expect(wantsNotice({ env: { CI: 'true' }, canRewrite: true })).toBe(false)
  expect(wantsNotice({ env: { NO_UPDATE_NOTIFIER: '1' }, canRewrite: true })).toBe(false)
})

test.each<[string, string | undefined, { status?: number; spaces?: number; source?: string }?]>([
  ['{"version":"0.10.0"}', 'catalog 0.10.0 is out, this is 0.9.1: npm install --global'],
  ['{"version":"0.9.1"}', undefined],
  ['{"version":"0.9.0"}', undefined],
  ['{"version":"1; rm -rf"}', undefined],
  ['{"error":"not found"}', undefined],
  ['null', undefined],
  ['<html>', undefined],
  ['{"version":"0.10.1"}', undefined, { status: 500 }],
  ['{"version":"0.10.2"}', undefined, { spaces: 70_000 }],
  // What the guard refuses, and what is not the registry's word.
  ['{"version":"0.10.3"}', undefined, { status: 403 }],
  ['{"version":"0.10.4"}', undefined, { source: 'peer' }],
])(
  'a registry that says %s',
  async (body, said, { status = 200, spaces = 0, source = '' } = {}) => {
    const asked: (string | undefined)[] = []
    const server = createServer((request, response) => {
      asked.push(request.url)
      response.statusCode = status
      if (source !== '') response.setHeader('x-catalog-metadata', source)
      response.end(' '.repeat(spaces) + body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const notice = await updateNotice(`http://127.0.0.1:${port}/`, '0.9.1')
    server.close()
    expect(asked).toEqual(['/@catalog-p2p%2fgateway/latest'])
    if (said === undefined) expect(notice).toBeUndefined()
    else expect(notice).toContain(said)
  },
)

test('what the guard refuses to clients is not told of', async () => {
  const name = '@catalog-p2p/gateway'
  await using world = await gatewayWorld({ packages: [makePackage(name, '9.9.9')] })
  const document = world.upstream.document(name)
  document.time['9.9.9'] = new Date().toISOString()
  const body = JSON.stringify(document.versions['9.9.9'])
  world.upstream.fault(/latest$/, { kind: 'body', body, type: 'application/json' })
  const said = async (): Promise<string> =>
    (await updateNotice(`${world.url}/`, '0.9.1')) ?? 'nothing'
  expect(await said()).toContain('catalog 9.9.9 is out')
  await world.restart({ minReleaseAgeMs: 86_400_000 })
  expect(await said()).toBe('nothing')
})
