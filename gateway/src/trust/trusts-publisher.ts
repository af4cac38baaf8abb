/**
 * The trust file as the node asks for it: whether a publisher's releases of a name count here. The node is there before the gateway
 * is, so it has a reader of the file of its own, which says nothing of what the gateway's says already.
 */
import type { TrustsPublisher } from '@catalog-p2p/core'
import { openTrust, type Trust } from './trust.ts'

/** @throws CatalogError INVALID_OPTIONS for a file that makes no sense, or that others may write */
export function createTrustsPublisher(trustPath: string): TrustsPublisher {
  return trustsPublisherOf(openTrust({ log: silent }, { trustPath, trustOnFirstUse: false }))
}

export function trustsPublisherOf({ originOf }: Pick<Trust, 'originOf'>): TrustsPublisher {
  return ({ name, publisher }) => {
    const origin = originOf(name)
    return origin.kind === 'network' && origin.publishers.includes(publisher)
  }
}

const nothing = (): void => undefined
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing }
