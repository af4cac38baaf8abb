import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CLIENTS } from '../../clients/client.ts'
import { withStateLock } from './state-lock.ts'
import { unuseClients, useClient, type UseDependencies } from './use.ts'
import { readUseState, useStatePath } from './use-state.ts'

let home: string
let statePath: string
let lock: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'catalog-lock-'))
  statePath = join(home, 'clients.json')
  lock = `${statePath}.lock`
})
afterEach(() => rmSync(home, { recursive: true }))

const leaveLock = (pid: number): void =>
  writeFileSync(lock, JSON.stringify({ pid, nonce: 'somebody-else' }))
/** The id of a process that has ended. */
const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid

describe('catalog use, several at once', () => {
  test('nothing of what the others noted is lost, and all of it can be undone', async () => {
    const deps: UseDependencies = {
      context: { env: {}, home, platform: process.platform },
      statePath: useStatePath(join(home, 'state')),
    }
    writeFileSync(join(home, '.npmrc'), 'registry=https://before.invalid/\n')
    await Promise.all(CLIENTS.map((client) => useClient(deps, client, 'http://127.0.0.1:4874/')))
    const noted = [...(await readUseState(deps.statePath)).values()].flatMap(
      ({ clients }) => clients,
    )
    expect([...new Set(noted)].sort()).toEqual([...CLIENTS].sort())
    await Promise.all(CLIENTS.map((client) => unuseClients(deps, [client])))
    expect(readFileSync(join(home, '.npmrc'), 'utf8')).toBe('registry=https://before.invalid/\n')
    expect(await readUseState(deps.statePath)).toEqual(new Map())
    expect(readdirSync(join(home, 'state'))).toEqual([])
  })
})

describe('the lock', () => {
  test('is held by one at a time', async () => {
    let inside = 0
    const most: number[] = []
    const work = async (): Promise<void> => {
      most.push((inside += 1))
      await new Promise((resolve) => setImmediate(resolve))
      inside -= 1
    }
    await Promise.all(Array.from({ length: 20 }, () => withStateLock(statePath, work)))
    expect(Math.max(...most)).toBe(1)
    expect(most).toHaveLength(20)
    expect(existsSync(lock)).toBe(false)
  })

  test('is given back after a failure', async () => {
    const bad = withStateLock(statePath, () => Promise.reject(new Error('no')))
    await expect(bad).rejects.toThrow('no')
    expect(await withStateLock(statePath, () => Promise.resolve(7))).toBe(7)
  })

  test.each([
    ['of a process that has died', () => leaveLock(deadPid())],
    [
      'that nobody could have held for so long',
      () => {
        leaveLock(process.pid)
        utimesSync(lock, new Date(0), new Date(0))
      },
    ],
    [
      'that makes no sense and is old',
      () => {
        writeFileSync(lock, '')
        utimesSync(lock, new Date(0), new Date(0))
      },
    ],
  ])('%s is taken over, by one', async (_what, leave) => {
    leave()
    let inside = 0
    const work = async (): Promise<void> => {
      expect((inside += 1)).toBe(1)
      await new Promise((resolve) => setImmediate(resolve))
      inside -= 1
    }
    await Promise.all(Array.from({ length: 5 }, () => withStateLock(statePath, work)))
    expect(readdirSync(home)).toEqual([])
  })

  test('of somebody at work is waited for, then named', async () => {
    leaveLock(process.pid)
    const work = (): Promise<never> => Promise.reject(new Error('must not run'))
    const refused = withStateLock(statePath, work, { waitMs: 60 })
    await expect(refused).rejects.toMatchObject({
      code: 'STORE_LOCKED',
      message: expect.stringContaining(`process ${process.pid}`) as string,
      hint: expect.stringContaining(lock) as string,
    })
    expect(existsSync(lock)).toBe(true)
  })

  test('that can not be made is an error, at once', async () => {
    const path = join(home, 'file', 'clients.json')
    writeFileSync(join(home, 'file'), '')
    const refused = withStateLock(path, () => Promise.resolve(1))
    await expect(refused).rejects.toMatchObject({ code: 'STORE_FAILED' })
  })
})
