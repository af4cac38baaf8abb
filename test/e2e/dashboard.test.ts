/** The dashboard in a real Chromium: it shows what happens while it happens, and nothing in it breaks its own policy. */
import axe from 'axe-core'
import type { Browser, ConsoleMessage, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dashboardUrl } from '../../gateway/src/cli/ui/ui-command.ts'
import { findChromium, NO_CHROMIUM, startChromium } from '../support/chromium.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { gatewayWorld, type GatewayWorld } from '../support/gateway-world.ts'

const chromium = findChromium()
const a = makePackage('left-side', '1.0.0')
const hidden = makePackage('@corp/secret', '1.0.0')
const KEY = 'a-token-of-a-daemon-for-tests'

/** Of a colour of the page against the ground of its panels, as WCAG has it. */
const CONTRAST = `(name) => {
  const probe = document.body.appendChild(document.createElement('i'))
  const light = (value) => {
    probe.style.color = 'var(' + value + ')'
    const [r, g, b] = getComputedStyle(probe).color.match(/[\\d.]+/g).map((each) => {
      const part = Number(each) / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const [a, b] = [light(name), light('--surface')].sort((one, other) => other - one)
  probe.remove()
  return (a + 0.05) / (b + 0.05)
}`
const isReadable = (ratio: number): boolean => ratio >= 4.5

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

test('tells of the install: each package, whence it came, and where the time went', async ({
  skip,
}) => {
  if (chromium === undefined) return skip(NO_CHROMIUM)
  const { page, complaints } = await open(`${world.url}/`)
  await world.get('/left-side/-/left-side-1.0.0.tgz', { 'user-agent': 'npm/11.6.0' })
  await page.getByText('Install running now').waitFor()
  await page.getByText('npm/11.6.0').waitFor()
  const row = page.getByRole('row', { name: 'left-side@1.0.0' })
  expect(await row.textContent()).toContain('this machine')
  // As many as there are columns: who hears the table would else be told the wrong ones.
  const columns = await page
    .getByRole('columnheader', { name: 'when' })
    .locator('..')
    .locator('th')
    .count()
  expect(1 + (await row.getByRole('cell').count())).toBe(columns)
  await page.getByText('Last install').waitFor()
  await page.getByText('Where the time went').waitFor()
  expect(complaints).toEqual([])
  await page.close()
})

test.for([
  ['light', 1200],
  ['dark', 340],
] as const)(
  '%s, %i pixels wide: everything fits, and can be read',
  async ([scheme, width], { skip }) => {
    if (chromium === undefined) return skip(NO_CHROMIUM)
    const { page } = await open(`${world.url}/`)
    await page.emulateMedia({ colorScheme: scheme })
    await page.setViewportSize({ width, height: 800 })
    await page.getByText('did not have to come from the registry').waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    for (const style of ['--ink', '--quiet', '--peer', '--store', '--origin', '--bad']) {
      // WCAG 2.2, 1.4.3: text against what is behind it.
      expect([style, await page.evaluate(`(${CONTRAST})('${style}')`)]).toEqual([
        style,
        expect.toSatisfy(isReadable),
      ])
    }
    expect(await accessibilityProblems(page)).toEqual([])
    await page.close()
  },
)

test('is reached and used with the keyboard alone', async ({ skip }) => {
  if (chromium === undefined) return skip(NO_CHROMIUM)
  const { page } = await open(`${world.url}/`)
  await page.getByText('Over time').waitFor()
  await page.keyboard.press('Tab')
  expect(await page.locator(':focus').textContent()).toBe('To the content')
  for (let times = 0; times < 20; times += 1) {
    if ((await page.evaluate('document.activeElement.textContent')) === 'packages') break
    await page.keyboard.press('Tab')
  }
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'packages', exact: true, pressed: true }).waitFor()
  await page.close()
})

test('takes the token out of the address, and shows the owner what others do not see', async ({
  skip,
}) => {
  if (chromium === undefined) return skip(NO_CHROMIUM)
  const owner = await gatewayWorld({
    packages: [hidden],
    privateScopes: ['@corp'],
    adminToken: KEY,
  })
  await owner.get('/@corp%2fsecret/-/secret-1.0.0.tgz')
  const { page } = await open(dashboardUrl(owner.url, KEY))
  await page.getByText('@corp/secret@1.0.0').waitFor()
  expect(page.url()).not.toContain(KEY)
  const { page: other } = await open(dashboardUrl(owner.url, undefined))
  await other.getByText('a private package').first().waitFor()
  expect(await other.content()).not.toContain('secret')
  await Promise.all([page.close(), other.close()])
  await owner[Symbol.asyncDispose]()
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

/** What axe-core finds against WCAG 2.2 AA and its own best practices; it runs beside the page's policy, as a reader's tools do. */
async function accessibilityProblems(page: Page): Promise<string[]> {
  const context = page.context()
  const session = await context.newCDPSession(page)
  const { frameTree } = await session.send('Page.getFrameTree')
  const world = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id })
  const { executionContextId: contextId } = world
  await session.send('Runtime.evaluate', { contextId, expression: axe.source })
  const { result } = await session.send('Runtime.evaluate', {
    ...{ contextId, awaitPromise: true, returnByValue: true },
    expression:
      'axe.run(document).then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`)))',
  })
  return result.value as string[]
}

/** With everything that the browser had to say against it. */
async function open(url: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on('console', (message: ConsoleMessage) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  await page.goto(url)
  return { page, complaints }
}
