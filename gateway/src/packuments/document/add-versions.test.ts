import { expect, test } from 'vitest'
import { addVersions } from './add-versions.ts'

const own = () => ({
  'dist-tags': { latest: '1.0.0' },
  versions: { '1.0.0': { name: 'a' } },
  time: { '1.0.0': '2020-01-01T00:00:00Z' },
})

test('adds what is not there, and moves no tag', () => {
  const document = own()
  const told = {
    'dist-tags': { latest: '2.0.0' },
    versions: { '1.0.0': { name: 'lie' }, '2.0.0': { name: 'b' } },
    time: { '1.0.0': '1999-01-01T00:00:00Z', '2.0.0': '2021-01-01T00:00:00Z' },
  }
  expect(addVersions(document, told)).toBe(true)
  expect(document).toEqual({
    'dist-tags': { latest: '1.0.0' },
    versions: { '1.0.0': { name: 'a' }, '2.0.0': { name: 'b' } },
    time: { '1.0.0': '2020-01-01T00:00:00Z', '2.0.0': '2021-01-01T00:00:00Z' },
  })
})

test('says when there is nothing to add', () => {
  const document = own()
  expect(addVersions(document, { versions: { '1.0.0': {} } })).toBe(false)
  expect(document).toEqual(own())
})
