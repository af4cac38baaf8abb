import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { gatewayWorld } from '../../../test/support/gateway-world.ts'
import { parseTarget } from '../http/request-target.ts'
import { isPackageRead } from './package-read.ts'

test.each([
  ['GET', '/-/v1/search?text=x'],
  ['GET', '/-/npm/v1/keys'],
  ['GET', '/-/npm/v1/attestations/@s%2fn@1.0.0'],
  ['GET', '/-/package/n/dist-tags'],
  ['GET', '/-/package/@s%2fn/dist-tags'],
  ['HEAD', '/-/package/@s/n/dist-tags'],
  ['GET', '/n/1.0.0'],
  ['GET', '/@s%2fn/1.0.0-rc.1'],
  ['GET', '/@s/n/-/@s/n-1.0.0.tgz'],
  ['POST', '/-/npm/v1/security/advisories/bulk'],
  ['POST', '/-/npm/v1/security/audits'],
  ['POST', '/-/npm/v1/security/audits/quick'],
])('%s %s is about packages', (method, url) => {
  expect(isPackageRead(parseTarget(method, url))).toBe(true)
})

/** What some upstream, or a URL parser on the way, takes for a call about the user, or for a change. */
const OTHERS = [
  ['GET', '/-/whoami'],
  ['GET', '/-/npm/v1/tokens'],
  ['GET', '//-/npm/v1/tokens#1.0.0'],
  ['GET', '//-/whoami#1.0.0'],
  ['GET', '//-/whoami/1.0.0'],
  ['GET', '/%2f-/whoami#1.0.0'],
  ['GET', '/%2f-/whoami/1.0.0'],
  ['GET', '/%2f-%2fwhoami%2f1.0.0'],
  ['GET', '/%5c-/whoami/1.0.0'],
  ['GET', '/\\-/whoami/1.0.0'],
  ['GET', '/%2d/whoami/1.0.0'],
  ['GET', '/%252f-/whoami/1.0.0'],
  ['GET', '/-/whoami#/-/v1/search'],
  ['GET', '/-/v1/searches'],
  ['GET', '/-/npm/v1/keys/mine'],
  ['GET', '/n?1.0.0'],
  ['PUT', '/n/1.0.0'],
  ['POST', '/-/v1/search'],
  ['PUT', '/-/npm/v1/security/x'],
  ['POST', '/-/npm/v1/security/x'],
  ['GET', '/-/npm/v1/security/policy'],
  ['DELETE', '/-/npm/v1/security/audits'],
] as const

test.each(OTHERS)('%s %s is not', (method, url) => {
  expect(isPackageRead(parseTarget(method, url))).toBe(false)
})

test("the daemon's credentials go along with none of those", async () => {
  await using world = await gatewayWorld({
    packages: [makePackage('n', '1.0.0')],
    npmrc: { '//{host}/:_authToken': 'of-the-daemon' },
  })
  world.upstream.otherwise = (_request, res) => void res.writeHead(200).end('{}')
  for (const [method, url] of OTHERS) await rawCall(world.url, method, url)
  const carried = world.upstream.seen.filter(({ headers }) => headers.authorization !== undefined)
  // Metadata for an install is asked for with them, as npm does; by another way than these calls.
  expect(carried.filter(({ url }) => url !== '/n').map(({ url }) => url)).toEqual([])
  // It has them, and shows them where it may.
  expect(await rawCall(world.url, 'GET', '/n/1.0.0')).toContain('200 OK')
  expect(world.upstream.seen.at(-1)?.headers.authorization).toBe('Bearer of-the-daemon')
})

/** As it is written: every HTTP client would put such a path right. */
async function rawCall(gateway: string, method: string, path: string): Promise<string> {
  const { host, hostname, port } = new URL(gateway)
  const socket = connect(Number(port), hostname)
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nX-Catalog-Client: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  )
  let text = ''
  for await (const chunk of socket.setEncoding('latin1')) text += chunk as string
  return text
}
