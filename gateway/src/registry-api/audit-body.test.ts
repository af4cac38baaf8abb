/** Which names of a project an audit tells the default registry. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { gatewayWorld, type WorldOptions } from '../../../test/support/gateway-world.ts'

const BULK = '/-/npm/v1/security/advisories/bulk'
const OTHERS: WorldOptions = { npmrc: { '@fx:registry': 'http://127.0.0.1:9/' } }

async function audit(
  options: WorldOptions,
  body: Buffer,
  coding?: string,
  path = BULK,
): Promise<{ status: number; seen: Buffer | undefined }> {
  await using world = await gatewayWorld({ packages: [], ...options })
  world.upstream.otherwise = (_request, res) => void res.end('{}')
  const response = await fetch(world.url + path, {
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

test.each(['audits', 'audits/quick'])('nor does the tree of the old form, %s', async (form) => {
  const path = `/-/npm/v1/security/${form}`
  const of = (mine: object, requires: object, name?: string): Buffer => {
    const one = { version: '1.0.0', requires, dependencies: { ...mine, two: { requires } } }
    const project = name === undefined ? {} : { name }
    const tree = { ...project, version: '1.0.0', requires, dependencies: { one, ...mine } }
    return Buffer.from(JSON.stringify(tree))
  }
  const options = { ...OTHERS, privateScopes: ['mine'] }
  const mine = { '@fx/mine': { version: '1.0.0' }, mine: { version: '1.0.0' } }
  const said = of(mine, { two: '^1.0.0', mine: '1.0.0', '@fx/mine': '1.0.0' }, '@fx/project')
  const allowed = of({}, { two: '^1.0.0' })
  expect((await audit(options, said, undefined, path)).seen?.toString()).toBe(allowed.toString())
  const packed = await audit(options, gzipSync(said), 'gzip', path)
  expect(gunzipSync(packed.seen ?? Buffer.of()).toString()).toBe(allowed.toString())
  const plain = of({}, { two: '^1.0.0' }, 'project')
  expect((await audit(options, plain, undefined, path)).seen).toEqual(plain)
})

test.each([
  ['no JSON', Buffer.from('{'), undefined, 400],
  ['no list', Buffer.from('[]'), undefined, 400],
  ['a coding that we cannot undo', list('one'), 'br', 415],
  ['larger than any project', Buffer.alloc(600_000), undefined, 413],
])('%s is not sent unread', async (_what, body, coding, status) => {
  expect(await audit(OTHERS, body, coding)).toEqual({ status, seen: undefined })
})
