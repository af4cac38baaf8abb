/**
 * `catalog bridge` between network namespaces, which is what containers and sandboxes are: npm installs in one that reaches the
 * daemon's machine by an address only, and in one that has nothing but a socket's folder a request gets through, too. What the
 * daemon's user may have with his token neither of them gets. What else goes over a bridge: gateway/src/bridges/guests.test.ts.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { catalogProgram } from '../support/catalog-program.ts'
import { createWorkspace, isolatedEnvironment, mustRunClient } from '../support/client.ts'
import { pidOf, startDaemon } from '../support/daemon.ts'
import { describeMachines, startRegistryOn } from '../support/machines/machine-daemons.ts'
import { createLan, whyNoNamespaces, type Machine } from '../support/machines/namespaces.ts'

const CLIENT = 'npm-11'
const OPEN = 'fx-leaf'
const PRIVATE = '@fx/beta'

/** `catalog` as the user of that machine runs it, who has a daemon there; what it prints as JSON. */
function commandOn(machine: Machine, { home, store }: { home: string; store: string }) {
  return async (...args: readonly string[]): Promise<unknown> => {
    const env = Object.entries(isolatedEnvironment(home)).map(([key, value]) => `${key}=${value}`)
    const catalog = [process.execPath, ...(await catalogProgram()), ...args]
    const output = await machine.run('env', '-i', ...env, ...catalog, '--store', store, '--json')
    return JSON.parse(output)
  }
}

const CURL = ['curl', '--silent', '--output', '/dev/null', '--write-out', '%{http_code}'] as const

async function statusFrom(machine: Machine, url: string): Promise<string> {
  return await machine.run(...CURL, url)
}

/** A process with no network but its own loopback, as sandboxes have. */
const ALONE = ['unshare', '--net', 'sh', '-c'] as const

interface Opened {
  readonly url: string
  readonly state: string
  readonly lines: readonly { readonly lines: readonly string[] }[]
}

describeMachines('over a bridge', await whyNoNamespaces(), () => {
  test(
    'npm installs in a container, and nothing is lent to it',
    { timeout: 120_000, tags: ['long'] },
    async () => {
      await using lan = await createLan(['host', 'container', 'another'])
      await using workspace = await createWorkspace()
      const [host, container, another] = lan.machines as [Machine, Machine, Machine]
      await using registry = await startRegistryOn(host, ['@fx(/|%2f)beta', 'Bearer users-secret'])
      const home = await workspace.folder('home-host')
      const { host: place } = new URL(registry.url)
      await writeFile(join(home, '.npmrc'), `//${place}/:_authToken=users-secret\n`)
      const store = await workspace.folder('store-host')
      const args = [
        '--no-mdns',
        '--no-dht',
        '--no-upnp',
        '--store',
        store,
        '--upstream',
        registry.url,
      ]
      await using daemon = await startDaemon({ args, home, port: 4874, place: host })
      await pidOf(store) // it can be found from now on
      const catalog = commandOn(host, { home, store })

      const opened = (await catalog('bridge', 'docker', '--address', host.ipv4)) as Opened
      expect(opened.state).toBe('open')
      const url = `http://${host.ipv4}:4874`
      const cwd = await workspace.folder('project')
      await writeFile(join(cwd, 'package.json'), '{"name":"app","version":"1.0.0"}')
      const inside = { cwd, registry: url, home: await workspace.folder('home-container') }
      const env = { NO_PROXY: host.ipv4, no_proxy: host.ipv4 }
      await mustRunClient(CLIENT, ['install', OPEN], { ...inside, prefix: container.prefix, env })
      expect(await readFile(join(cwd, 'node_modules', OPEN, 'package.json'), 'utf8')).toContain(
        OPEN,
      )

      // Another container of that host, with nothing of its own: all of it is there.
      const origin = async (): Promise<number> =>
        (await daemon.status()).gateway.tarballs.origin.artifacts
      const before = await origin()
      expect(before).toBeGreaterThan(0)
      const second = { ...inside, cwd: await workspace.folder('second') }
      await writeFile(join(second.cwd, 'package.json'), '{"name":"app","version":"1.0.0"}')
      const fresh = { ...second, home: await workspace.folder('home-another'), env }
      await mustRunClient(CLIENT, ['install', OPEN], { ...fresh, prefix: another.prefix })
      expect(await origin()).toBe(before)

      // The user himself gets it, and so has it in his store.
      const tarball = `/${PRIVATE}/-/beta-2.2.0.tgz`
      expect(await statusFrom(host, daemon.url + tarball)).toBe('200')
      expect(await statusFrom(container, url + tarball)).toBe('404')

      const sandbox = (await catalog('bridge', 'sandbox')) as Opened
      const [relay = ''] = sandbox.lines[1]?.lines ?? []
      const asking = [...CURL, '--retry', '60', '--retry-connrefused', '--retry-delay', '1']
      const ask = [...asking, `${sandbox.url}${OPEN}`].join(' ')
      expect(await host.run(...ALONE, `ip link set lo up; ${relay} ${ask}; kill $!`)).toBe('200')

      expect(await catalog('bridge', 'docker', '--undo')).toMatchObject({ removed: true })
      expect(await catalog('bridge', 'sandbox', '--undo')).toMatchObject({ removed: true })
      await expect(statusFrom(container, `${url}/${OPEN}`)).rejects.toThrow()
      const file = await readFile(join(home, 'config', 'catalog-p2p', 'bridges.json'), 'utf8')
      expect(JSON.parse(file)).toEqual({ bridges: [] })
    },
  )
})
