/** Which names of a project a bulk audit tells the default registry. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { gatewayWorld, type WorldOptions } from '../../../test/support/gateway-world.ts'

const BULK = '/-/npm/v1/security/advisories/bulk'
const OTHERS: WorldOptions = { npmrc: { '@fx:registry': 'http://127.0.0.1:9/' } }

async function audit(
  options: WorldOptions,
  body: Buffer,
  coding?: string,
): Promise<{ status: number; seen: Buffer | undefined }> {
  await using world = await gatewayWorld({ packages: [], ...options })
  world.upstream.otherwise = (_request, res) => void res.end('{}')
  const response = await fetch(world.url + BULK, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(coding !== undefined && { 'content-encoding': coding }),
    },
    body: new Uint8Array(body),
  })
  return { status: response.status, seen: world.upstream.seen[0]?.body }
}

const list = (...names: string[]): Buffer =>
  Buffer.from(JSON.stringify(Object.fromEntries(names.map((name) => [name, ['1.0.0']]))))

test.each([
  ['of a scope that belongs to another registry', OTHERS, '@fx/mine'],
  ['of a private scope', { privateScopes: ['@secret'] }, '@Secret/mine'],
  ['of a private package', { privateScopes: ['mine'] }, 'mine'],
])('names %s are left out', async (_what, options, name) => {
  const plain = await audit(options, list('one', name, '@other/two'))
  expect(plain.seen?.toString()).toBe(list('one', '@other/two').toString())
  const packed = await audit(options, gzipSync(list('one', name)), 'gzip')
  expect(gunzipSync(packed.seen ?? Buffer.alloc(0)).toString()).toBe(list('one').toString())
})

test('an audit without such names goes as it came', async () => {
  const body = gzipSync(list('one', '@other/two'))
  expect((await audit(OTHERS, body, 'gzip')).seen).toEqual(body)
})

test.each([
  ['no JSON', Buffer.from('{'), undefined, 400],
  ['no list', Buffer.from('[]'), undefined, 400],
  ['a coding that we cannot undo', list('one'), 'br', 415],
  ['larger than any project', Buffer.alloc(600_000), undefined, 413],
])('%s is not sent unread', async (_what, body, coding, status) => {
  expect(await audit(OTHERS, body, coding)).toEqual({ status, seen: undefined })
})
