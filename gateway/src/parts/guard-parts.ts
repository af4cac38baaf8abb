/** The guard with the lists that it is told to have, started. */
import type { Logger } from '@catalog-p2p/core'
import { Guard } from '../guard/guard.ts'
import { signaturePolicyOf, type SignaturePolicy } from '../guard/signature-policy.ts'
import type { ParsedGatewayOptions } from '../options.ts'
import type { Registries } from '../upstream/registries.ts'
import type { Upstream } from '../upstream/upstream.ts'

export interface GuardRules {
  readonly guard: Guard
  readonly signaturePolicy: (registry: string) => SignaturePolicy
}

/** What it throws ends the upstream, too. */
export async function openGuard(
  deps: { upstream: Upstream; log: Logger; registries: Registries },
  options: ParsedGatewayOptions,
): Promise<GuardRules> {
  const signaturePolicy = (registry: string): SignaturePolicy =>
    signaturePolicyOf(options.registrySignatures, registry)
  const mustBeSigned = (name: string): boolean =>
    options.registrySignatures.length > 0 &&
    signaturePolicy(deps.registries.homeOf(name).url) === 'require'
  const guard = new Guard({ ...deps, mustBeSigned }, options)
  try {
    await guard.start()
  } catch (error) {
    await deps.upstream.close()
    throw error
  }
  return { guard, signaturePolicy }
}
