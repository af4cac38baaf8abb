import { expect, test } from 'vitest'
import { MAX_UNKNOWN, mergeFindings, type FoundPackage } from './merge.ts'
import { isMatch, MAX_TEXT_BYTES, wordsOf } from './search-words.ts'

const found = (name: string, description = ''): FoundPackage => {
  return { name, version: '1.0.0', description, keywords: [], publishedAtMs: undefined }
}
const list = (...names: string[]): FoundPackage[] => names.map((name) => found(name))
const isKnown = ({ name }: FoundPackage): boolean => name.startsWith('known')
const merged = (findings: Partial<Parameters<typeof mergeFindings>[0]>, limit = 50) =>
  mergeFindings({ upstream: [], local: [], peers: [], ...findings }, { limit, isKnown })
const said = (results: ReturnType<typeof merged>): string[] =>
  results.map(({ name, source, known }) => `${name} ${source}${known ? '' : '?'}`)

test('a registry comes first, then this node, then peers with evidence, then the rest', () => {
  const findings = {
    upstream: list('a'),
    local: list('b', 'a'),
    peers: [list('new-1', 'known-1', 'b'), list('new-2', 'known-2')],
  }
  expect(said(merged(findings))).toEqual([
    'a upstream',
    'b local',
    'known-1 peer',
    'known-2 peer',
    'new-1 peer?',
    'new-2 peer?',
  ])
  expect(said(merged(findings, 3))).toEqual(['a upstream', 'b local', 'known-1 peer'])
})

test('a name counts once, with the words of the best source', () => {
  const peers = [[found('x', 'one')], [found('x', 'two')], [found('x', 'three')]]
  expect(merged({ peers }).map(({ description }) => description)).toEqual(['one'])
  expect(merged({ peers, local: [found('x', 'mine')] })).toMatchObject([
    { description: 'mine', source: 'local' },
  ])
})

test('a peer with much to say crowds out nobody', () => {
  const junk = Array.from({ length: 50 }, (_, i) => found(`junk-${i}`))
  const results = merged({ peers: [junk, list('honest-1', 'honest-2')] })
  expect(results).toHaveLength(MAX_UNKNOWN)
  expect(results.slice(0, 4).map(({ name }) => name)).toEqual([
    'junk-0',
    'honest-1',
    'junk-1',
    'honest-2',
  ])
})

test("words are taken from the text as npm's clients send it", () => {
  expect(wordsOf('  React\tDOM react ')).toEqual(['react', 'dom'])
  expect(wordsOf('keywords:ui,css scope:fx author:me not:unstable --- @a/b')).toEqual([
    ...['ui', 'css', '@fx', '@a/b'],
  ])
  expect(wordsOf('a b c d e f g h i j')).toHaveLength(8)
  expect(Buffer.byteLength(wordsOf('İ'.repeat(100)).join(' '))).toBeLessThanOrEqual(MAX_TEXT_BYTES)
})

test('a result has every word', () => {
  const one = { ...found('react-dom', 'For the web'), keywords: ['ui'] }
  expect(isMatch(one, ['react', 'web', 'ui'])).toBe(true)
  expect(isMatch(one, ['react', 'vue'])).toBe(false)
})
