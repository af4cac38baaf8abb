/** What is to happen with versions that their registry has not signed, by registry. Pure. */

export type SignaturePolicy = 'off' | 'warn' | 'require'

/** `warn` for every registry, or `https://registry.example.com/=require` for that one and all beneath it. */
export const SIGNATURE_POLICY = /^(?:https?:\/\/\S+=)?(?:off|warn|require)$/

/** @param given matches of SIGNATURE_POLICY; the longest URL that fits counts, of equal ones the last */
export function signaturePolicyOf(given: readonly string[], registry: string): SignaturePolicy {
  let best: { length: number; policy: SignaturePolicy } = { length: 0, policy: 'off' }
  for (const each of given) {
    const equals = each.lastIndexOf('=')
    const url = each.slice(0, Math.max(0, equals)).replace(/\/*$/, '/')
    const policy = policyIn(each.slice(equals + 1))
    const length = equals === -1 ? 0 : url.length
    const isMeant = length === 0 || registry.startsWith(url)
    if (isMeant && policy !== undefined && length >= best.length) best = { length, policy }
  }
  return best.policy
}

function policyIn(word: string): SignaturePolicy | undefined {
  return word === 'off' || word === 'warn' || word === 'require' ? word : undefined
}
