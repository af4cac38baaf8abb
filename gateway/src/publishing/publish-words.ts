/**
 * What a publisher is told whose package goes to a registry though this machine has keys for the network: which way it went, and what
 * to do if the other one was meant. Words only: where it goes is decided by the trust file, and changes nothing here.
 */
import type { PublishWords } from '../http/api-errors.ts'
import { redactUrl } from '../http/redact-url.ts'
import type { RequestTarget } from '../http/request-target.ts'
import { scopeOf } from '../http/route.ts'
import { parseChange } from './change-request.ts'
import type { OwnKeys } from './own-keys.ts'

/** undefined: it is no publication, or nobody here publishes to the network. */
export async function publishWords(
  { ownKeys }: { readonly ownKeys: Pick<OwnKeys, 'ids'> },
  { method, path }: Pick<RequestTarget, 'method' | 'path'>,
  of: { readonly name: string; readonly registry: string },
): Promise<PublishWords | undefined> {
  const { name } = of
  const change = parseChange(method, path, name)
  if (change === undefined || change === 'read' || change.kind !== 'document') return undefined
  const [key, ...others] = await ownKeys.ids()
  if (key === undefined) return undefined
  const fingerprint = others.length === 0 ? key : 'FINGERPRINT'
  const taken = `${name} went to its registry (${redactUrl(of.registry)}), not to the network`
  const add = `"catalog trust add ${scopeOf(name) ?? name} ${fingerprint}"`
  return {
    ...{ taken, instead: `to publish it to the network, ${add} first` },
    refused: `${taken}: for that, ${add} first`,
  }
}
