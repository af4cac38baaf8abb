/** The dashboard in a real Chromium: it shows what happens while it happens, and nothing in it breaks its own policy. */
import type { Browser, ConsoleMessage, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findChromium, NO_CHROMIUM, startChromium } from '../support/chromium.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../support/gateway-world.ts'

const chromium = findChromium()
const a = makePackage('left-side', '1.0.0')

let world: GatewayWorld
let browser: Browser

beforeAll(async () => {
  if (chromium === undefined) return
  world = await gatewayWorld({ packages: [a] })
  browser = await startChromium(chromium)
})

afterAll(async () => {
  if (chromium === undefined) return
  await browser.close()
  await world[Symbol.asyncDispose]()
})

test('shows what a client gets, without being loaded again', async ({ skip }) => {
  if (chromium === undefined) return skip(NO_CHROMIUM)
  const { page, complaints } = await open(`${world.url}/`)
  expect(page.url()).toBe(`${world.url}/-/catalog/ui`)
  await page.getByText('No package has been asked for yet').waitFor()

  await world.get('/left-side/-/left-side-1.0.0.tgz')
  await page.getByText('did not have to come from the registry').waitFor()
  const registry = page.locator('.sources .origin')
  await registry.getByText('1 package', { exact: true }).waitFor()

  await world.get('/left-side/-/left-side-1.0.0.tgz')
  await page.locator('.sources .store').getByText('1 package', { exact: true }).waitFor()
  expect(complaints).toEqual([])
  await page.close()
})

test('says that the gateway has gone, and goes on when it is back', async ({ skip }) => {
  if (chromium === undefined) return skip(NO_CHROMIUM)
  const port = Number(new URL(world.url).port)
  const { page } = await open(`${world.url}/-/catalog/ui`)
  const state = page.getByRole('status')
  await state.getByText('live').waitFor()
  await world.gateway.stop()
  await state.getByText('connection lost').waitFor()
  await world.restart({ port })
  await state.getByText('live').waitFor()
  await page.close()
})

/** With everything that the browser had to say against it. */
async function open(url: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('console', (message: ConsoleMessage) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(url)
  return { page, complaints }
}
