import { expect, test } from 'vitest'
import { CatalogError } from '@catalog-p2p/core'
import { shownFacts } from './daemon-log.ts'

test('facts are name=value, in quotes where needed', () => {
  const error = new CatalogError('HOST_FAILED', 'no port', { hint: 'take another' })
  expect(shownFacts({ port: 1, url: 'http://x/', text: 'a b', error, none: undefined })).toBe(
    ' port=1 url=http://x/ text="a b" error="no port (take another)"',
  )
  expect(shownFacts(undefined)).toBe('')
})

test.each(['\u001b[2J', 'a\u009b2Jb', 'x y\u009b', '\u202e'])(
  'what others said moves no cursor: %j',
  (said) => {
    const shown = [{ said }, { said: new Error(said) }].map(shownFacts).join('')
    expect(shown).not.toMatch(/\p{C}/u)
    expect(shown).toContain('\\u')
  },
)
