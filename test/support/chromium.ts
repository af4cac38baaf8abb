/**
 * A real Chromium for tests of what web pages can do to a gateway: the machine's own, as no package of a browser comes without
 * a download or some sixty megabytes for one platform. It has no profile, and talks to nobody but this machine.
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const ELSEWHERE = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

export const NO_CHROMIUM = 'there is no Chromium on this machine: name one with CHROMIUM_PATH'

/** The program that `CHROMIUM_PATH` names, else one where they usually are; undefined: there is none. */
export function findChromium(): string | undefined {
  const { CHROMIUM_PATH: named, PATH = '' } = process.env
  if (named !== undefined && named !== '') return named
  const onPath = PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)))
  return [...onPath, ...ELSEWHERE].find(isProgram)
}

/** With an empty profile that goes away with it; names under `.invalid` are this machine, all others nowhere. */
export function startChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({
    ...{ executablePath, headless: true, chromiumSandbox: false, timeout: 60_000 },
    args: [
      ...['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
      ...['--disable-background-networking', '--disable-component-update'],
      '--host-resolver-rules=MAP *.invalid 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
    ],
  })
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false // not here
  }
}
