/** `catalog key` as people run it: processes with a home of their own, and a key that goes from one machine to another. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isKeyId } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  createWorkspace,
  execute,
  isolatedEnvironment,
  type ClientResult,
  type Workspace,
} from '../../../../test/support/client.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { catalogProgram } from '../../../../test/support/catalog-program.ts'

const CATALOG = await catalogProgram()

let workspace: Workspace
beforeEach(async () => {
  workspace = await createWorkspace()
})
afterEach(() => workspace[Symbol.asyncDispose]())

async function machine(name: string) {
  const home = await workspace.folder(name)
  await mkdir(join(home, 'tmp'), { recursive: true })
  const run = (args: readonly string[], passphrase?: string): Promise<ClientResult> =>
    execute(process.execPath, [...CATALOG, 'key', ...args], {
      cwd: home,
      env: {
        ...isolatedEnvironment(home),
        ...(passphrase !== undefined && { CATALOG_KEY_PASSPHRASE: passphrase }),
      },
      timeoutMs: 30_000,
    })
  return { home, run }
}

test('a key is made, sealed, taken to another machine and replaced there', async () => {
  const { run: first } = await machine('first')
  const made = await first(['new', 'work', '--passphrase'], 'correct horse')
  expect(made.exitCode).toBe(EXIT.ok)
  const [id = ''] = /(?:\w{4}-){13}\w{4}/.exec(made.output) ?? []
  expect(isKeyId(id)).toBe(true)
  expect(made.output).toContain(`catalog trust add @your-scope ${id}`)
  const exported = await first(['export', 'work', '--secret'])

  const { run: second, home } = await machine('second')
  await writeFile(join(home, 'key.json'), exported.output)
  expect((await second(['import', 'key.json'], 'correct horse')).output).toContain(id)
  const rotated = await second(['rotate'], 'correct horse')
  expect(rotated.output).toContain(id)

  const listed = JSON.parse((await second(['list', '--json'])).output) as {
    keys: { name: string; id: string; sealed: boolean; replaces: string | null }[]
  }
  expect(listed.keys).toMatchObject([
    { name: 'default', sealed: true, replaces: id },
    { id, sealed: true, replaces: null },
  ])
  // To be compared by voice with what `catalog trust add` prints.
  expect((await first(['show', 'work'])).output).toMatch(/words {5}(?:[a-z]+ ){11}[a-z]+/)
})
