import { expect, test, vi } from 'vitest'
import { renameOver } from './rename-over.ts'

const refused = (code: string): Error => Object.assign(new Error(code), { code })

function system(platform: NodeJS.Platform, ...codes: readonly string[]) {
  const rename = vi.fn<(from: string, to: string) => Promise<void>>(async () => undefined)
  for (const code of codes) rename.mockRejectedValueOnce(refused(code))
  return { platform, rename, sleep: vi.fn(async () => undefined) }
}

test('on Windows a file that is held open for a moment is waited for', async () => {
  const windows = system('win32', 'EPERM', 'EACCES', 'EBUSY')
  await renameOver('from', 'to', windows)
  expect(windows.rename.mock.calls).toEqual(Array(4).fill(['from', 'to']))
  expect(windows.sleep).toHaveBeenCalledTimes(3)
})

test('not for ever, not for what passes by no waiting, and nowhere else', async () => {
  const held = system('win32', ...Array<string>(5).fill('EPERM'))
  await expect(renameOver('from', 'to', held)).rejects.toThrow('EPERM')
  expect(held.rename).toHaveBeenCalledTimes(5)
  for (const other of [system('win32', 'ENOENT'), system('linux', 'EPERM')]) {
    await expect(renameOver('from', 'to', other)).rejects.toThrow()
    expect(other.rename).toHaveBeenCalledTimes(1)
  }
})
