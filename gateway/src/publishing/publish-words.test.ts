import { parseKeyId, type KeyId } from '@catalog-p2p/core'
import { expect, test } from 'vitest'
import { ann } from '../../../test/support/machines/network-machine.ts'
import { keptText } from './publish-version.ts'
import { publishWords } from './publish-words.ts'

const of = { name: '@acme/tool', registry: 'https://me:secret@registry.example/npm/' }
const wordsOf = (keys: readonly KeyId[], method: string, path: string, name = of.name) =>
  publishWords({ ownKeys: { ids: () => Promise.resolve(keys) } }, { method, path }, { ...of, name })

test('say how many machines keep it, or why none does', () => {
  const spread = { kept: 1, wanted: 3 }
  const words = (size: number, isPrivate = false, { kept, wanted } = spread): string =>
    keptText({ kept, wanted }, { isPrivate, size })
  expect(words(1)).toBe(' (kept by 1 machine besides this one)')
  expect(words(1, false, { kept: 0, wanted: 3 })).toBe(' (only on this machine as yet)')
  expect(words(1, false, { kept: 0, wanted: 0 })).toBe('')
  expect(words(1, true)).toBe(' (private: on this machine alone)')
  expect(words(64 * 1024 * 1024 + 1)).toContain('others keep copies of up to 64 MiB')
})

test('say where a publication went, and how it goes to the network', async () => {
  for (const path of ['/@acme%2ftool', '/@acme/tool', '/@acme%2Ftool/-rev/7-a']) {
    const words = await wordsOf([ann], 'PUT', path)
    expect(words?.taken).toMatch(/^@acme\/tool went to its registry \(\S+\), not to the network$/)
    expect(words?.taken).not.toContain('secret')
    expect(words?.refused).toContain(`"catalog trust add @acme ${ann}" first`)
    expect(words?.instead).toContain(`"catalog trust add @acme ${ann}" first`)
  }
  expect((await wordsOf([ann], 'PUT', '/tool', 'tool'))?.refused).toContain(`trust add tool ${ann}`)
  const other = parseKeyId(ann)
  const words = await wordsOf([ann, other], 'PUT', '/@acme%2ftool')
  expect(words?.refused).toContain('trust add @acme FINGERPRINT')
})

test('there are none without a key, nor for what is no publication', async () => {
  expect(await wordsOf([], 'PUT', '/@acme%2ftool')).toBeUndefined()
  for (const [method, path] of [
    ['GET', '/@acme%2ftool?write=true'],
    ['PUT', '/-/package/@acme%2ftool/dist-tags/next'],
    ['POST', '/-/package/@acme%2ftool/access'],
    ['DELETE', '/@acme%2ftool/-rev/7-a'],
  ] as const) {
    expect(await wordsOf([ann], method, path)).toBeUndefined()
  }
})
