/**
 * A fingerprint as words, to be compared over the phone: 12 words of BIP-39's English list (https://github.com/bitcoin/bips,
 * bip-0039), which stand for its first 16 bytes and a checksum. For ears only: what is kept, typed and decided by is the whole
 * fingerprint, and words are never read back.
 */
import { entropyToMnemonic } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { keyIdToBytes, type KeyId } from '@catalog-p2p/core'

/** Finding another key with the same words takes 2^128 tries. */
const ENTROPY_BYTES = 16

export function wordsOf(id: KeyId): string {
  return entropyToMnemonic(keyIdToBytes(id).slice(0, ENTROPY_BYTES), wordlist)
}
