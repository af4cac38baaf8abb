/**
 * What a head is found by: a hash of the package's name and the publisher's key together. Nobody can take another's place,
 * because nobody else's head has that key; and nobody who does not know both learns from it which package is meant. Pure.
 */
import { createHash } from 'node:crypto'
import type { NameKey } from '../content/name-key.ts'
import type { KeyId } from '../signing/key-id.ts'

/** A package of the network: its name as one publisher has it. */
export interface PublishedName {
  readonly name: string
  readonly publisher: KeyId
}

const DOMAIN = 'catalog-p2p head 1'
/** Of values in the DHT. */
export const HEAD_VALUE_PREFIX = 'catalog-head'

/** Peers list it as they list other names. */
export function headKeyOf({ name, publisher }: PublishedName): NameKey {
  const text = [DOMAIN, name, publisher].join('\0')
  return createHash('sha256').update(text).digest('hex') as NameKey
}

export function headValueKey(key: NameKey): string {
  return `/${HEAD_VALUE_PREFIX}/${key}`
}

/** What stands for the registry in records of a publisher's releases: no URL, so no registry has it. */
export function registryOf(publisher: KeyId): string {
  return `catalog-key:${publisher}/`
}
