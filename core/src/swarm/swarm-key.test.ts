import { describe, expect, it } from 'vitest'
import { createSwarmKey, parseSwarmKey, swarmKeyToText } from './swarm-key.ts'

describe('swarm key', () => {
  it('is one line of text and comes back from it', () => {
    const key = createSwarmKey()
    const text = swarmKeyToText(key)
    expect(text).toMatch(/^catalog-swarm-1:[\w-]{48}$/)
    expect(parseSwarmKey(`  ${text}\n`)).toEqual(Uint8Array.from(key))
  })

  it.each([
    ['', /begins with/],
    ['catalog-swarm-1:', /not whole/],
    [swarmKeyToText(createSwarmKey()).slice(0, -2), /not whole/],
    [`${swarmKeyToText(createSwarmKey())}AA`, /not whole/],
    [`catalog-swarm-1:${'A'.repeat(48)}`, /mistyped/],
  ])('that is not one says so and does not repeat it', (text, problem) => {
    expect(() => parseSwarmKey(text)).toThrow(problem)
    const secret = text.slice('catalog-swarm-1:'.length)
    if (secret !== '') expect(() => parseSwarmKey(text)).not.toThrow(secret)
  })
})
