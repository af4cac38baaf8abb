import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NetworkStats } from '@catalog-p2p/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NO_NETWORK } from '../../../../test/support/machines/no-network.ts'
import { findDaemon, writeDaemonFile, type DaemonStatus } from '../../admin/daemon-client.ts'
import { useClient } from '../use/use.ts'
import { checkClients } from './client-checks.ts'
import {
  checkDaemon,
  checkDht,
  checkForks,
  checkListening,
  checkReach,
  checkUpstreamDirectly,
} from './daemon-checks.ts'
import { checkClock, checkDisk, checkNode, checkStore } from './machine-checks.ts'
import {
  checkCarrierPort,
  checkMulticast,
  checkPeerPort,
  checkRegistryPort,
  checkUdp,
} from './network-checks.ts'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'catalog-doctor-'))
})
afterEach(() => rmSync(home, { recursive: true }))

describe('machine', () => {
  test.each([
    ['v20.20.2', 'fail'],
    ['v22.18.0', 'fail'],
    ['v22.19.0', 'ok'],
    ['v24.0.0', 'ok'],
  ])('node %s: %s', (version, verdict) => {
    expect(checkNode(version).verdict).toBe(verdict)
  })

  test('a store that can be made is well, and nothing stays behind', async () => {
    const folder = join(home, 'a', 'b')
    expect(await checkStore(folder)).toMatchObject({ verdict: 'ok' })
    expect(readdirSync(folder)).toEqual([])
  })

  test('a store that cannot be made fails, with the next step', async () => {
    writeFileSync(join(home, 'file'), '')
    const finding = await checkStore(join(home, 'file', 'store'))
    expect(finding).toMatchObject({ verdict: 'fail', next: expect.stringContaining('--store') })
  })

  test('a quota that the disk cannot hold is worth a look', async () => {
    const roomy = await checkDisk(join(home, 'not', 'there'), { quotaBytes: 10, usedBytes: 0 })
    expect(roomy.verdict).not.toBe('warn')
    const large = { quotaBytes: Number.MAX_SAFE_INTEGER, usedBytes: 0 }
    expect((await checkDisk(home, large)).verdict).not.toBe('ok')
  })

  test('a clock that cannot be compared is no fault', async () => {
    expect(await checkClock(null)).toMatchObject({ verdict: 'ok' })
    expect(await checkClock('http://127.0.0.1:1/')).toMatchObject({ verdict: 'ok' })
  })
})

describe('network', () => {
  test('a listener that died is worth a look; an old daemon that knows nothing of it is not', () => {
    const status = (problems?: string[]): DaemonStatus => {
      const partly: { node: Partial<DaemonStatus['node']> } = { node: problems ? { problems } : {} }
      return partly as DaemonStatus
    }
    expect(checkListening(status(['its endpoint died']))).toMatchObject({
      ...{ verdict: 'warn', text: 'its endpoint died' },
    })
    expect(checkListening(status([])).verdict).toBe('ok')
    expect(checkListening(status()).verdict).toBe('ok')
  })

  test('a DHT that takes no announcements is worth a look; a node that nobody has reached is not', () => {
    const status = (network?: Partial<NetworkStats>): DaemonStatus => {
      const partly = { node: network ? { network: { ...NO_NETWORK, ...network } } : {} }
      return partly as DaemonStatus
    }
    const asleep = checkDht(status({ dht: 'client', isAnnounceFailing: true }))
    expect(asleep).toMatchObject({
      ...{ verdict: 'warn', text: expect.stringContaining('NOBODY TAKES THEM') },
      next: expect.stringContaining('--bootstrap-server'),
    })
    for (const one of [status({ dht: 'client' }), status({}), status()]) {
      expect(checkDht(one).verdict).toBe('ok')
      expect(checkReach(one).verdict).toBe('ok')
    }
  })

  test('a publisher that contradicts itself is named', () => {
    const fork = { name: '@acme/tool', publisher: 'abcd-efgh', sequence: 2 }
    const status = (forks?: unknown[]): DaemonStatus =>
      ({ node: forks ? { forks } : {} }) as unknown as DaemonStatus
    expect(checkForks(status([fork]))).toMatchObject({
      ...{ verdict: 'warn', text: expect.stringContaining('@acme/tool (abcd-efgh)') },
    })
    for (const one of [status([]), status()]) expect(checkForks(one).verdict).toBe('ok')
  })

  test('ports: free, and taken over TCP or UDP', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    expect(await checkRegistryPort(port)).toMatchObject({
      verdict: 'fail',
      next: expect.stringContaining('--port'),
    })
    server.close()
    await once(server, 'close')
    expect(await checkRegistryPort(port)).toMatchObject({ verdict: 'ok' })

    const socket = createSocket('udp4')
    socket.bind({ port: 0, address: '0.0.0.0', exclusive: true })
    await once(socket, 'listening')
    const taken = await checkPeerPort(socket.address().port, 'ipv4')
    expect(taken).toMatchObject({
      verdict: 'fail',
      next: expect.stringContaining('--network.port'),
    })
    socket.close()
    const carriers = createServer().listen(0, '0.0.0.0')
    await once(carriers, 'listening')
    expect(await checkCarrierPort((carriers.address() as AddressInfo).port, 'ipv4')).toMatchObject({
      verdict: 'warn',
      next: expect.stringContaining('--carrier-port'),
    })
    carriers.close()
    expect(await checkCarrierPort(0, 'ipv4')).toMatchObject({ verdict: 'ok' })
    expect(await checkCarrierPort(undefined, 'ipv4')).toMatchObject({ verdict: 'ok' })
    expect(await checkPeerPort(0, 'ipv4')).toMatchObject({ verdict: 'ok' })
  })

  test('what answers on the port without the token in daemon.json is not taken for ours', async () => {
    await using stranger = await answering({ status: 'ok', id: 'somebody' })
    const store = join(home, 'store')
    const info = {
      ...{ pid: process.pid, port: stranger.port, url: stranger.url, id: 'ours' },
      ...{ token: 'x'.repeat(32), version: '0.0.0', startedAtMs: 0 },
    }
    for (const id of [undefined, 'ours', 'somebody']) {
      if (id !== undefined) await writeDaemonFile(store, { ...info, id })
      const finding = checkDaemon(await findDaemon(store, stranger.port))
      expect(finding).toMatchObject({
        verdict: 'warn',
        text: expect.stringContaining('is not the'),
      })
      expect(finding.next).toContain('find out whose it is')
    }
  })

  test('UDP to itself works over IPv4; the others find something out, whatever the machine', async () => {
    expect(await checkUdp('ipv4')).toMatchObject({ verdict: 'ok' })
    for (const finding of await Promise.all([
      checkUdp('ipv6'),
      checkMulticast('ipv4'),
      checkMulticast('ipv6'),
    ])) {
      expect(finding.verdict).not.toBe('fail')
      expect(finding.verdict === 'ok').toBe(finding.next === undefined)
    }
  })

  test('an upstream that does not answer fails; none at all is as told', async () => {
    expect(await checkUpstreamDirectly('http://127.0.0.1:1/')).toMatchObject({ verdict: 'fail' })
    expect(await checkUpstreamDirectly(null)).toMatchObject({ verdict: 'ok' })
  })
})

describe('clients', () => {
  const url = 'http://127.0.0.1:4874/'
  const context = (env: Record<string, string> = {}) => ({ env, home, platform: process.platform })
  const deps = (env?: Record<string, string>) => {
    return { context: context(env), statePath: join(home, 'state', 'state.json') }
  }
  const verdicts = async (env?: Record<string, string>) =>
    Object.fromEntries(
      (await checkClients(deps(env), url)).map(({ name, verdict, text }) => [
        name.replace('client ', ''),
        `${verdict} ${text.split(' ').slice(0, 2).join(' ')}`,
      ]),
    )

  test('says who uses the gateway', async () => {
    expect(await verdicts()).toMatchObject({ npm: 'ok does not', bun: 'ok does not' })
    await useClient(deps(), 'npm', url)
    expect(await verdicts()).toMatchObject({
      npm: 'ok uses this',
      pnpm: 'ok uses this',
      bun: 'ok does not',
    })
    writeFileSync(join(home, '.npmrc'), 'registry=http://localhost:4874')
    expect(await verdicts()).toMatchObject({ npm: 'ok uses this' })
  })

  test('sees a variable, and a second file, that point elsewhere', async () => {
    const env = { npm_config_registry: 'https://other.example/' }
    expect((await verdicts(env)).npm).toBe('warn npm_config_registry points')
    writeFileSync(join(home, '.npmrc'), `registry=${url}`)
    const xdg = { XDG_CONFIG_HOME: join(home, 'xdg') }
    mkdirSync(join(home, 'xdg', 'pnpm'), { recursive: true })
    writeFileSync(join(home, 'xdg', 'pnpm', 'auth.ini'), 'registry=https://other.example/')
    expect((await verdicts(xdg)).pnpm).toMatch(/^warn /)
  })
})

/** A program of somebody's that answers every question with the same JSON. */
async function answering(body: object) {
  const server = createHttpServer((_, response) => response.end(JSON.stringify(body)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    ...{ port, url: `http://127.0.0.1:${port}/` },
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}
