import { generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { verifyOnce, verifyOncePooled } from './verify-once.ts'

const { publicKey: key, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keyId = 'SHA256:test'

/** With padding, behind which base64 is not read any further. */
function padded(text: string): string {
  for (;;) {
    const sig = sign('sha256', Buffer.from(text), privateKey).toString('base64')
    if (sig.endsWith('=')) return sig
  }
}

test('a signature that was found valid says nothing of another text that looks the same beside it', async () => {
  const text = 'fx@1.0.0:sha512-good'
  const sig = padded(text)
  const more = `${sig} sha512-evil`
  expect(verifyOnce({ keyId, key, text, sig: `${more} x` })).toBe(true)
  const forged = { keyId, key, text: `${text} ${more}`, sig: 'x' }
  expect(verifyOnce(forged)).toBe(false)
  expect(await verifyOncePooled(forged)).toBe(false)
  expect(await verifyOncePooled({ keyId, key, text, sig })).toBe(true)
})
