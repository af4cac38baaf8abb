import { inspect } from 'node:util'
import { isCatalogError } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { createPoisonDocuments, mayServeRaw, UnreadablePackument } from './poison-documents.ts'

test('what cannot be read is left alone for ten minutes', () => {
  let nowMs = 1
  const unreadable = createPoisonDocuments(() => nowMs)
  unreadable.remember('a')
  expect([unreadable.has('a'), unreadable.has('b')]).toEqual([true, false])
  nowMs += 9 * 60_000
  expect(unreadable.has('a')).toBe(true)
  nowMs += 2 * 60_000
  expect(unreadable.has('a')).toBe(false)
})

test('unread documents are for those whose tarball URLs stay as they are', () => {
  const [isPublic, other] = [{ isPublicDefault: true }, { isPublicDefault: false }]
  expect(mayServeRaw('verbatim', other)).toBe(true)
  expect(mayServeRaw('leave', isPublic)).toBe(true)
  expect(mayServeRaw('leave', other)).toBe(false)
  for (const policy of ['self', 'usual', 'usual-if-open', 'omit', undefined] as const) {
    expect(mayServeRaw(policy, isPublic)).toBe(false)
  }
})

test('the error is one of ours, names the package and does not print the document', () => {
  const body = Buffer.from('megabytes')
  const error = new UnreadablePackument('fx-one', {
    document: { body, gzipped: false, kind: 'full' },
  })
  expect(isCatalogError(error, 'UPSTREAM_UNREACHABLE')).toBe(true)
  expect(error.message).toContain('fx-one')
  expect(error.document?.body).toBe(body)
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('Buffer')
  expect(JSON.stringify(error)).not.toContain('77')
})
