import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

let home: string
beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'catalog-compiled-'))))
afterEach(() => rmSync(home, { recursive: true, force: true }))

/** What a process of its own says of its cache: it cannot be switched off again. */
function placeOf(folder: string, env: Record<string, string> = {}): string {
  const script = `
    import module from 'node:module'
    import { keepCompiled } from ${JSON.stringify(new URL('./compile-cache.ts', import.meta.url).href)}
    keepCompiled(${JSON.stringify(folder)})
    console.log(module.getCompileCacheDir() ?? 'none')`
  const inherited = { ...process.env }
  delete inherited.NODE_COMPILE_CACHE
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
  const run = spawnSync(process.execPath, args, { env: { ...inherited, ...env }, encoding: 'utf8' })
  expect(run.stderr).toBe('')
  return run.stdout.trim()
}

test('what is compiled is kept in a folder of the user alone, or where Node is told to', () => {
  const folder = join(home, 'cache', 'catalog-p2p', 'compiled')
  expect(placeOf(folder)).toMatch(new RegExp(`^${RegExp.escape(folder)}`))
  expect(readdirSync(folder)).toHaveLength(1)
  const told = join(home, 'told')
  expect(placeOf(folder, { NODE_COMPILE_CACHE: told })).toMatch(
    new RegExp(`^${RegExp.escape(told)}`),
  )
  expect(placeOf(folder, { NODE_DISABLE_COMPILE_CACHE: '1' })).toBe('none')
})

test.skipIf(process.platform === 'win32')('a folder that others write to is not trusted', () => {
  chmodSync(home, 0o777)
  expect(placeOf(home)).toBe('none')
  expect(readdirSync(home)).toEqual([])
  // Whoever writes above it puts another in its place.
  const below = join(home, 'compiled')
  expect(placeOf(below)).toBe('none')
  expect(readdirSync(below)).toEqual([])
})

test.skipIf(process.platform === 'win32')('nor one that others look into', () => {
  // Node makes the next folder with what the umask leaves.
  const open = join(home, 'open')
  mkdirSync(open)
  chmodSync(open, 0o755)
  expect(placeOf(open)).toBe('none')
})

test('no place for it is no reason to fail', () => {
  const nowhere = process.platform === 'linux' ? '/proc/none/compiled' : join(process.execPath, 'x')
  expect(placeOf(nowhere)).toBe('none')
  expect(existsSync(nowhere)).toBe(false)
})
