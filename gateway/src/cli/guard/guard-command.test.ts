/** `catalog guard` and `catalog affected` as people run them: a daemon of its own, with a list of malware that grows. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  createWorkspace,
  execute,
  isolatedEnvironment,
  type ClientResult,
  type Workspace,
} from '../../../../test/support/client.ts'
import { startDaemon, type Daemon } from '../../../../test/support/daemon.ts'
import { makePackage } from '../../../../test/support/fixture-packages.ts'
import { freePort } from '../../../../test/support/machines/free-port.ts'
import {
  startRegistry,
  tarballPath,
  type LoopbackRegistry,
} from '../../../../test/support/registries/registry.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { catalogProgram } from '../../../../test/support/catalog-program.ts'

const CATALOG = await catalogProgram()
const ALONE = ['--loopback-only', '--network.port=0', '--no-mdns', '--no-dht', '--no-upnp']
const one = makePackage('fx-one', '1.0.0')
const two = makePackage('fx-two', '1.0.0')

let workspace: Workspace
let home: string
let list: string
let registry: LoopbackRegistry
let daemon: Daemon
let common: readonly string[]

beforeEach(async () => {
  workspace = await createWorkspace()
  home = await workspace.folder('home')
  await mkdir(join(home, 'osv', 'npm'), { recursive: true })
  list = join(home, 'osv')
  registry = await startRegistry({ packages: [one, two] })
  const port = await freePort()
  common = [`--store=${join(home, 'store')}`, `--port=${port}`]
  const rules = [`--malware-list=${list}`, '--min-release-age=3d', '--min-release-age-exclude=@fx']
  const args = [...common, ...ALONE, ...rules, `--upstream=${registry.url}`]
  daemon = await startDaemon({ args, home, port })
})

afterEach(async () => {
  await daemon.stop()
  await registry.stop()
  await workspace[Symbol.asyncDispose]()
})

function catalog(...args: readonly string[]): Promise<ClientResult> {
  const argv = [...CATALOG, ...args, ...common]
  const env = isolatedEnvironment(home)
  return execute(process.execPath, argv, { cwd: home, env, timeoutMs: 30_000 })
}

async function listOne(): Promise<void> {
  const affected = [{ package: { ecosystem: 'npm', name: 'fx-one' }, versions: ['1.0.0'] }]
  const record = JSON.stringify({ id: 'MAL-2025-9', affected })
  await writeFile(join(list, 'npm', 'MAL-2025-9.json'), record)
}

test(
  'a version that turns out to be malware: who got it, and which lockfiles have it',
  { timeout: 90_000 },
  async () => {
    const status = await catalog('guard', 'status')
    expect(status.output).toMatch(/release age +3 d.* at least, but for @fx/)
    expect(status.output).toMatch(/malware +0 records/)
    const headers = { 'user-agent': 'npm/11.0.0 node/v24.0.0' }
    for (const each of [one, two]) {
      expect((await fetch(daemon.url + tarballPath(each), { headers })).status).toBe(200)
    }
    const lock = {
      ...{ name: 'p', version: '1.0.0', lockfileVersion: 3 },
      packages: Object.fromEntries(
        [one, two].map(({ name, version, integrity }) => [
          `node_modules/${name}`,
          { version, integrity },
        ]),
      ),
    }
    await writeFile(join(home, 'package-lock.json'), JSON.stringify(lock))
    const clean = await catalog('guard', 'check', 'package-lock.json')
    expect(clean).toMatchObject({ exitCode: EXIT.ok, output: '2 versions checked, 0 denied\n' })
    expect(await catalog('affected', '--all')).toMatchObject({ exitCode: EXIT.ok })

    await listOne()
    expect((await catalog('guard', 'update')).output).toMatch(/malware +1 record of 1 package/)

    const bad = await catalog('guard', 'check', 'package-lock.json')
    expect(bad.exitCode).toBe(EXIT.incomplete)
    expect(bad.output).toMatch(
      /fx-one@1\.0\.0 .*known malware \(MAL-2025-9\)\n2 versions checked, 1 denied/,
    )
    const all = await catalog('affected', '--all')
    expect(all.exitCode).toBe(EXIT.incomplete)
    expect(all.output).toMatch(/fx-one@1\.0\.0 to npm\/11\.0\.0 on .* \(MAL-2025-9\)/)
    expect(all.output).not.toContain('fx-two')
    const named = await catalog('affected', 'fx-two@1.0.0', '--json')
    expect(JSON.parse(named.output)).toMatchObject({
      versions: [{ name: 'fx-two', malware: null }],
    })
    expect((await catalog('affected')).exitCode).toBe(EXIT.usage)
  },
)
