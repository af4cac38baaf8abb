import { describe, expect, test } from 'vitest'
import { RefusedWords } from './refused-words.ts'

const word = { version: '1.0.0', peer: 'a', isDisputed: false }

describe('a word that a tarball contradicts', () => {
  test('is remembered for an hour', () => {
    let nowMs = 1
    const words = new RefusedWords(() => nowMs)
    words.add('fx-one', word)
    expect(words.of('fx-one')).toEqual([{ version: '1.0.0', peer: 'a' }])
    expect(words.of('fx-two')).toEqual([])
    nowMs += 3_600_001
    expect(words.of('fx-one')).toEqual([])
  })

  test('is a lie when another peer said otherwise', () => {
    expect(new RefusedWords().add('fx-one', { ...word, isDisputed: true })).toBe(true)
  })

  test('is the registry’s own, until it happens with three packages', () => {
    const words = new RefusedWords()
    expect(words.add('fx-one', word)).toBe(false)
    expect(words.add('fx-one', { ...word, version: '2.0.0' })).toBe(false)
    expect(words.add('fx-two', word)).toBe(false)
    expect(words.add('fx-three', { ...word, peer: 'b' })).toBe(false)
    expect(words.add('fx-three', word)).toBe(true)
  })
})
