/** Which connections a daemon that runs is believed to make: those that the user's own npm configuration says. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLogger } from '../../../../core/src/log.ts'
import type { DaemonStatus } from '../../admin/daemon-client.ts'
import type { Config } from '../../config/resolve.ts'
import { connectionOf } from './client-connection.ts'
import type { Routing } from './client-environment.ts'
import type { ClientFamily } from './client-family.ts'
import { npmConfigAt, type ExecPlace } from './client-registry.ts'
import { daemonFits } from './daemon-fits.ts'
import { gatewayNpmConfig } from './gateway-npm-config.ts'

const CORP = 'https://npm.corp.example/'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'catalog-fits-'))
  write('project/package.json', '{}')
})
afterEach(() => rmSync(root, { recursive: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

/** A daemon with that registry and nothing else to say against it. */
function fits(family: ClientFamily, registry = CORP): boolean {
  const [cwd, home] = [join(root, 'project'), join(root, 'home')]
  const env = { HTTPS_PROXY: 'http://proxy.example' }
  const place: ExecPlace = { env, cwd, home, platform: 'linux', execPath: join(root, 'bin', 'x') }
  const connection = connectionOf(family, place, registry).settings
  const routing = { upstream: registry, upstreamAsConfigured: registry } as Routing
  return daemonFits({
    ...{ routing, place, log: silentLogger, info: undefined },
    npmConfig: gatewayNpmConfig(npmConfigAt(place, family), connection, env),
    config: { node: {}, gateway: {}, given: new Map(), peersOnly: false } as unknown as Config,
    now: { gateway: { upstream: registry, temporary: false } } as unknown as DaemonStatus,
  })
}

test('the user’s settings are the daemon’s, a project’s are not', () => {
  expect(fits('npm')).toBe(true)
  write('home/.npmrc', 'cafile=/corp.pem\nhttps-proxy=http://other.example\n')
  expect(fits('npm')).toBe(true)
  write('project/.npmrc', 'cafile=/projects.pem\n')
  expect(fits('npm')).toBe(false)
  write('project/.npmrc', 'strict-ssl=false\n')
  expect(fits('npm')).toBe(false)
  expect(fits('npm', 'http://npm.corp.example/')).toBe(true)
})

test('nor are a client’s own', () => {
  expect([fits('yarn-berry'), fits('pnpm'), fits('deno')]).toEqual([true, true, true])
  write('home/.config/pnpm/config.yaml', 'strictSsl: false\n')
  write('home/.yarnrc.yml', 'httpsProxy: http://yarns.example\n')
  expect([fits('yarn-berry'), fits('pnpm'), fits('deno')]).toEqual([false, false, true])
  // Which Yarn and Deno know nothing of.
  write('home/.npmrc', 'strict-ssl=false\n')
  write('home/.yarnrc.yml', '')
  expect([fits('yarn-berry'), fits('npm'), fits('deno')]).toEqual([false, true, false])
})
