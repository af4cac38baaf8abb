import { openDatabase, type Database } from '@catalog-p2p/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createCollectingLogger } from '../../../test/support/collecting-logger.ts'
import { summaryOf, type PackageSummary } from '../packuments/document/package-summary.ts'
import { openLocalIndex, type LocalIndex } from './local-index.ts'

const REGISTRY = 'http://registry.example/'
const drop = (): void => undefined
const log = { debug: drop, info: drop, warn: drop, error: drop }

let database: Database
let index: LocalIndex
beforeEach(async () => {
  database = await openDatabase(':memory:')
  index = openLocalIndex({ database, log, isPublic: (registry) => registry === REGISTRY })
})
afterEach(() => database.close())

function note(name: string, summary: Partial<PackageSummary> = {}, key = {}): void {
  const full = { version: '1.0.0', description: '', keywords: [], publishedAtMs: undefined }
  index.note({ registry: REGISTRY, name, owner: '', ...key }, { ...full, ...summary })
}

const names = (text: string, isShown = () => true): string[] =>
  index.find(text.split(' '), { limit: 50, isShown }).map(({ name }) => name)

test('finds by name, keyword and description, the exact name first', () => {
  note('left-pad', { description: 'Pads a string for react' })
  note('react-dom', { keywords: ['ui', 'web page'] })
  note('react', { description: 'A library for user interfaces', publishedAtMs: 1000 })
  note('@react/router')
  expect(names('react')[0]).toBe('react')
  expect(new Set(names('react'))).toEqual(
    new Set(['react', 'react-dom', '@react/router', 'left-pad']),
  )
  expect(names('@react/rou')).toEqual(['@react/router'])
  expect(names('user inter')).toEqual(['react'])
  expect(names('web')).toEqual(['react-dom'])
  expect(names('vue')).toEqual([])
  // Written in slices, and found at once all the same.
  for (let i = 0; i < 1_200; i += 1) note(`many-${i}`)
  expect(names('many-1199')).toEqual(['many-1199'])
  expect(names('many-0')).toEqual(['many-0'])
  expect(names('many')).toHaveLength(50)
  expect(index.find(['react'], { limit: 1, isShown: () => true })).toEqual([
    {
      name: 'react',
      version: '1.0.0',
      description: 'A library for user interfaces',
      keywords: [],
      publishedAtMs: 1000,
    },
  ])
})

test('what stands in quotes, and operators, are words like others', () => {
  note('a-near-b', { description: 'not "quoted" OR else' })
  expect(names('"quoted"')).toEqual(['a-near-b'])
  for (const text of ['NOT', 'near(a', '*', '"', 'a AND', 'name:x', '-', '(', 'x^2']) {
    expect(names(text).length).toBeLessThanOrEqual(1)
  }
})

test('keeps what a full document said when an abbreviated one comes, and finds the new version', () => {
  note('one', { description: 'All about it', keywords: ['kw'] })
  expect(names('about')).toEqual(['one'])
  note('one', { version: '2.0.0' })
  expect(index.find(['about', 'kw'], { limit: 9, isShown: () => true })).toMatchObject([
    { name: 'one', version: '2.0.0', description: 'All about it' },
  ])
  note('one', { version: '2.0.0', description: 'Something else' })
  expect(names('about')).toEqual([])
})

test('takes nothing that is not for everybody, and shows nothing that is not any more', () => {
  note('mine', {}, { owner: 'fingerprint' })
  note('theirs', {}, { registry: 'http://private.example/' })
  note('ours')
  index.close()
  const rows = database.prepare('SELECT name FROM known_packages').all()
  expect(rows).toEqual([{ __proto__: null, name: 'ours' }])
  expect(names('ours', () => false)).toEqual([])
})

test('a database that cannot search by words leaves the rest working', async () => {
  const refusing = await openDatabase(':memory:')
  refusing.close()
  const collecting = createCollectingLogger()
  const none = openLocalIndex({ database: refusing, log: collecting, isPublic: () => true })
  expect(none.find(['x'], { limit: 9, isShown: () => true })).toEqual([])
  expect(collecting.lines.map(({ event }) => event)).toEqual(['search.no-index'])
})

test('a summary is plain, bounded text', () => {
  const versions = { '1.0.0': {}, '2.0.0': { keywords: 'a, b ,,c', description: 'x'.repeat(9999) } }
  const document = {
    'dist-tags': { latest: '2.0.0' },
    versions,
    time: { '2.0.0': '1970-01-01T00:00:01Z' },
  }
  expect(summaryOf(document)).toEqual({
    version: '2.0.0',
    description: 'x'.repeat(512),
    keywords: ['a', 'b', 'c'],
    publishedAtMs: 1000,
  })
  const hostile = {
    ...document,
    description: 'a\u001b[31m\n\u202eb é\ud800',
    keywords: [1, 'k', {}],
  }
  const old = { ...hostile, 'dist-tags': { latest: '1.0.0' } }
  expect(summaryOf(old)).toMatchObject({
    version: '1.0.0',
    description: 'a [31m b é\ufffd',
    keywords: ['k'],
  })
  expect(summaryOf({ ...old, description: `${'x'.repeat(511)}é` })?.description).toBe(
    'x'.repeat(511),
  )
  expect(summaryOf({ versions: {} })).toBeUndefined()
  expect(
    summaryOf({ 'dist-tags': { latest: '9.9.9' }, versions: { nonsense: {} } }),
  ).toBeUndefined()
  expect(summaryOf({ 'dist-tags': ['x'], versions: { '1.0.0': {} }, time: 7 })).toMatchObject({
    version: '1.0.0',
    description: '',
  })
})
