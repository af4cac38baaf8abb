/** `catalog registry-keys` as people run it: a process with a home of its own, and what the daemon's part then makes of the file. */
import { generateKeyPairSync } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  createWorkspace,
  execute,
  isolatedEnvironment,
  type ClientResult,
  type Workspace,
} from '../../../../test/support/client.ts'
import { effectiveKeys, readKeyring } from '../../keys/keyring.ts'
import { PINNED_KEYS } from '../../keys/pinned-keys.ts'
import { fingerprintOf, KEY_TYPE, type RegistryKey } from '../../keys/registry-key.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { catalogProgram } from '../../../../test/support/catalog-program.ts'

const CATALOG = await catalogProgram()
const [OLD = '', CURRENT = ''] = PINNED_KEYS.map(({ keyid }) => keyid)

let workspace: Workspace
let home: string
let keyring: string
let server: Server
let registry: string
let answer: { status: number; body: string }

beforeEach(async () => {
  workspace = await createWorkspace()
  home = await workspace.folder('home')
  await mkdir(join(home, 'tmp'))
  keyring = join(home, 'keys', 'registry-keys.json')
  server = createServer((request, response) => {
    const isKeys = request.url === '/npm/-/npm/v1/keys'
    response.writeHead(isKeys ? answer.status : 500).end(answer.body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}/npm/`
})

afterEach(async () => {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
  await workspace[Symbol.asyncDispose]()
})

function keys(...args: readonly string[]): Promise<ClientResult> {
  const argv = [...CATALOG, 'registry-keys', ...args, '--keyring', keyring]
  const env = isolatedEnvironment(home)
  return execute(process.execPath, argv, { cwd: home, env, timeoutMs: 30_000 })
}

function newKey(): RegistryKey {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
  return {
    expires: null,
    keyid: fingerprintOf(publicKey),
    keytype: KEY_TYPE,
    scheme: KEY_TYPE,
    key,
  }
}

async function ids(of: string): Promise<string[]> {
  return effectiveKeys(await readKeyring(keyring), of).map(({ keyid }) => keyid)
}

test('keys go from one machine to another in a file', async () => {
  const theirs = newKey()
  answer = { status: 200, body: JSON.stringify({ keys: [theirs] }) }
  const updated = await keys('update', '--registry', registry.slice(0, -1))
  expect(updated).toMatchObject({ exitCode: EXIT.ok })
  expect(updated.output).toContain(`new      ${theirs.keyid}`)
  expect(await ids(registry)).toEqual([theirs.keyid])

  const exported = await keys('export', '--registry', registry)
  const file = join(home, 'keys.json')
  await writeFile(file, exported.output)
  keyring = join(home, 'elsewhere', 'registry-keys.json')
  expect((await keys('import', 'keys.json', '--registry', registry)).exitCode).toBe(EXIT.ok)
  expect(await ids(registry)).toEqual([theirs.keyid])

  const listed = await keys('list', '--registry', registry, '--json')
  expect(JSON.parse(listed.output)).toMatchObject({
    registry,
    keyring,
    keys: [{ ...theirs, source: 'imported' }],
  })
})

test("npm's pinned keys stay, unless they are dropped in so many words", async () => {
  const rotated = newKey()
  await writeFile(join(home, 'keys.json'), JSON.stringify({ keys: [rotated] }))
  const added = await keys('import', 'keys.json')
  expect(added.output).toContain(`kept     ${CURRENT} (not among them)`)
  const before = await readFile(keyring, 'utf8')
  const refused = await keys('import', 'keys.json', '--replace')
  expect(refused.exitCode).toBe(EXIT.usage)
  expect(refused.output).toContain(`this would drop pinned keys: ${OLD}, ${CURRENT}`)
  expect(await readFile(keyring, 'utf8')).toBe(before)
  const dropped = await keys('import', 'keys.json', '--replace', '--drop-pinned')
  expect(dropped.output).toContain(`dropped  ${CURRENT}`)
  expect((await keys('list')).output).not.toContain(CURRENT)
  // Nothing is left beside it.
  expect(await readdir(join(home, 'keys'))).toEqual(['registry-keys.json'])
})

test('what is no list of keys changes nothing, and says why', async () => {
  await writeFile(
    join(home, 'bad.json'),
    JSON.stringify({ keys: [{ ...newKey(), keyid: CURRENT }] }),
  )
  const forged = await keys('import', 'bad.json')
  expect(forged.exitCode).toBe(EXIT.usage)
  expect(forged.output).toContain('bad.json: key 1: its keyid is')
  expect((await keys('import', 'none.json')).output).toContain("none.json: can't be read")
  answer = { status: 404, body: '{}' }
  const none = await keys('update', '--registry', registry)
  expect(none.exitCode).toBe(EXIT.failed)
  expect(none.output).toContain('it answered 404')
  expect((await keys('list', '--registry', 'ftp://x')).exitCode).toBe(EXIT.usage)
  await expect(readFile(keyring)).rejects.toThrow('ENOENT')
})
