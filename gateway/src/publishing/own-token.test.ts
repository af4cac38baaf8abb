/** The tokens of this gateway: made once, for this user alone, one for each use, and never passed on. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openOwnToken, ownTokenPath, takeOwnToken } from './own-token.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'catalog-token-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('one for each use, made once, readable by this user alone', () => {
  const [publish, build] = [ownTokenPath(folder, 'publish'), ownTokenPath(folder, 'build')]
  const token = openOwnToken(build)
  expect(openOwnToken(build)).toBe(token)
  expect(openOwnToken(publish)).not.toBe(token)
  if (process.platform === 'win32') return // where folders of the user have their own rules
  expect(statSync(build).mode & 0o777).toBe(0o600)
})

test('a file that holds none is said, and not replaced', () => {
  const path = ownTokenPath(folder, 'build')
  writeFileSync(path, 'something else\n')
  expect(() => openOwnToken(path)).toThrow('it holds no token')
})

test('what has shown it goes on without it, anything else as it came', () => {
  const req = new IncomingMessage(new Socket())
  req.headers.authorization = 'Bearer catalog_one'
  expect(takeOwnToken(req, undefined)).toBe(false)
  expect(takeOwnToken(req, 'catalog_other')).toBe(false)
  expect(req.headers.authorization).toBe('Bearer catalog_one')
  expect(takeOwnToken(req, undefined, 'catalog_other', 'catalog_one')).toBe(true)
  expect(req.headers).toEqual({})
})
