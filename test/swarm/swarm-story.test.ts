/**
 * The story of docs/private-swarm.md with daemons and the real command line, each machine a home of its own: one makes a swarm,
 * another joins by an invite, and a package of a private scope that is listed comes from the first to the second. What is not
 * listed, and everything after the swarm was left, stays where it is.
 */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorkspace, execute, isolatedEnvironment, type Workspace } from '../support/client.ts'
import { startDaemon, type Daemon } from '../support/daemon.ts'
import { ALONE } from '../support/exec-run.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { freePort } from '../support/machines/free-port.ts'
import { tarballPath } from '../support/registries/registry.ts'
import { catalogProgram } from '../support/catalog-program.ts'
import { startUpstream, type FaultyUpstream } from '../support/registries/upstream.ts'

const CATALOG = await catalogProgram()
const listed = makePackage('@corp/listed', '1.0.0')
const unlisted = makePackage('@other/unlisted', '1.0.0')
const open = makePackage('fx-open', '1.0.0')
const AUTHORIZATION = 'Bearer team-token'

let workspace: Workspace
let upstream: FaultyUpstream
beforeAll(async () => {
  workspace = await createWorkspace()
  upstream = await startUpstream([listed, unlisted, open])
  upstream.wall(/@corp|@other/, [AUTHORIZATION])
})
afterAll(async () => {
  await upstream[Symbol.asyncDispose]()
  await workspace[Symbol.asyncDispose]()
})

interface Machine {
  readonly home: string
  readonly store: string
  /** Runs a command; its output. */
  catalog(...args: string[]): Promise<string>
  /** The same where it must fail. */
  fails(...args: string[]): Promise<string>
  start(...args: string[]): Promise<Daemon>
}

async function machine(name: string): Promise<Machine> {
  const home = await workspace.folder(name)
  const port = await freePort()
  const store = join(home, 'store')
  await mkdir(join(home, 'tmp'), { recursive: true })
  const host = new URL(upstream.url).host
  await writeFile(join(home, '.npmrc'), `//${host}/:_authToken=team-token\n`)
  const run = async (args: readonly string[], code: 'ok' | 'fails'): Promise<string> => {
    const argv = [...CATALOG, ...args, '--store', store, '--port', `${port}`]
    const env = isolatedEnvironment(home)
    const { exitCode, output } = await execute(process.execPath, argv, {
      ...{ cwd: home, env, timeoutMs: 60_000 },
    })
    if ((exitCode === 0) !== (code === 'ok')) throw new Error(`${args.join(' ')}:\n${output}`)
    return output
  }
  const settings = ['--store', store, '--port', `${port}`, '--upstream', upstream.url]
  return {
    ...{ home, store },
    catalog: (...args) => run(args, 'ok'),
    fails: (...args) => run(args, 'fails'),
    start: (...args) => startDaemon({ args: [...ALONE, ...settings, ...args], home, port }),
  }
}

async function get(daemon: Daemon, wanted: typeof listed): Promise<number> {
  const headers = { authorization: AUTHORIZATION, 'pacote-integrity': wanted.integrity }
  const got = await fetch(daemon.url + tarballPath(wanted), { headers })
  const bytes = Buffer.from(await got.arrayBuffer())
  if (got.status === 200) expect(bytes.equals(wanted.tarball)).toBe(true)
  return got.status
}

const announced = async (daemon: Daemon): Promise<number> =>
  ((await daemon.status()).node as unknown as { announced: number }).announced

async function findFile(folder: string, name: string): Promise<string> {
  const all = await readdir(folder, { recursive: true })
  const found = all.find((each) => each.endsWith(name))
  if (found === undefined) throw new Error(`no ${name} in ${folder}`)
  return join(folder, found)
}

test('from init to an install on a second machine, and back out', { tags: ['long'] }, async () => {
  const [a, b, c] = [await machine('a'), await machine('b'), await machine('c')]
  expect(await a.catalog('swarm', 'init', '--name', 'corp', '--share', '@corp')).toContain('made')
  const file = await findFile(a.home, 'swarm.txt')
  if (process.platform !== 'win32') expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await a.fails('swarm', 'init')).toContain('in a private swarm')
  expect(await a.fails('swarm', 'invite')).toContain('no catalog daemon is running')
  {
    await using first = await a.start()
    for (const wanted of [listed, unlisted, open]) expect(await get(first, wanted)).toBe(200)
    // Two of the three: what is public, and what is listed.
    expect(await announced(first)).toBe(2)

    const line = (await a.catalog('swarm', 'invite', '--json'))
      .split('\n')
      .find((one) => one !== '')
    const { invite } = JSON.parse(line ?? '') as { invite: string }
    expect(await b.catalog('swarm', 'join', invite)).toContain('joined private swarm "corp"')
    expect(await c.fails('swarm', 'join', invite)).toMatch(/used before[^]*another invite/)
    expect(await c.fails('swarm', 'members')).toContain('in no private swarm')
    const key = /catalog-swarm-1:[\w-]+/.exec(await readFile(file, 'utf8'))?.[0] ?? ''
    expect(await readFile(await findFile(b.home, 'swarm.txt'), 'utf8')).toContain(key)

    const { addresses } = (await first.status()).node
    await using second = await b.start()
    await using outsider = await c.start(...addresses.flatMap((one) => ['--bootstrap', one]))
    for (let peers = 0; peers === 0; peers = (await second.peers()).length) await nextTurn()
    expect(await b.catalog('swarm', 'members')).toContain((await first.status()).node.id)
    for (let known = 0; known < 2; known = (await second.peers())[0]?.artifacts ?? 0)
      await nextTurn()
    upstream.forget()
    for (const wanted of [listed, unlisted, open]) expect(await get(second, wanted)).toBe(200)
    expect((await second.status()).gateway.tarballs.peer.artifacts).toBe(2)
    expect(upstream.count(/unlisted-1\.0\.0\.tgz/)).toBeGreaterThan(0)
    // Neither has ever let the third one in.
    expect([await outsider.peers(), (await first.peers()).length]).toEqual([[], 1])
    const said = first.output() + second.output() + outsider.output()
    for (const secret of [key, invite, 'team-token']) expect(said).not.toContain(secret)
    expect(first.output()).toContain('swarm.outsider-refused')
  }
  expect(await a.catalog('swarm', 'leave')).toContain('left private swarm "corp"')
  {
    await using alone = await a.start()
    expect(await announced(alone)).toBe(1)
    // Its owner still has it.
    expect(await get(alone, listed)).toBe(200)
    expect(await announced(alone)).toBe(1)
  }
})

/** One turn of the event loop and of the processes that are waited for. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20))
}
