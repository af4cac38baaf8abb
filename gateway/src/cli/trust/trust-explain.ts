/** `catalog trust explain NAME`: which registry or which publishers a package comes from, and what decides it. Asks nobody. */
import { CatalogError, type KeyId } from '@catalog-p2p/core'
import { isPackageName } from '../../http/route.ts'
import { redactUrl } from '../../http/redact-url.ts'
import { wordsOf } from '../../trust/key-words.ts'
import type { NetworkOrigin } from '../../trust/origin-of-name.ts'
import { openTrust, type Trust } from '../../trust/trust.ts'
import { configuredRegistries } from '../shell/configured-registries.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'
import { trustPathOf } from './trust-command.ts'

export async function trustExplainCommand(invocation: Invocation, name: string): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  if (!isPackageName(name)) {
    throw new CatalogError('INVALID_OPTIONS', `expected a package, got "${name}"`)
  }
  const trustPath = trustPathOf(config)
  const trust = openTrust({ log: quiet }, { trustPath, trustOnFirstUse: false })
  const origin = trust.originOf(name)
  if (origin.kind === 'network') {
    const publishers = origin.publishers.map((id) => ({
      fingerprint: id,
      words: wordsOf(id),
      ...reasonOf(trust, { name, origin, id }),
    }))
    const { subject, how, roots } = origin
    const found = { name, origin: 'network', trustFile: trustPath, subject, how, roots, publishers }
    if (config.json) terminal.print(JSON.stringify(found))
    else for (const line of networkLines(found)) terminal.print(line)
    return EXIT.ok
  }
  const { registries } = await configuredRegistries(invocation, config, trust)
  const registry = registries.forName(name)
  const url = registry && redactUrl(registry.url)
  if (config.json) {
    terminal.print(
      JSON.stringify({ name, origin: 'registry', trustFile: trustPath, registry: url }),
    )
    return EXIT.ok
  }
  terminal.print(
    url === null
      ? `${name} would come from a registry, and this machine uses none (peers only)`
      : `${name} comes from the registry ${url}`,
  )
  terminal.print(`  no line of ${trustPath} names it or its scope`)
  terminal.print(
    '  what the network has under that name is not used: "catalog trust add" changes that',
  )
  return EXIT.ok
}

interface Reason {
  readonly by: 'key' | 'certificate'
  readonly root?: string
  readonly until?: string
  readonly note?: string
}

function reasonOf(
  trust: Trust,
  { name, origin, id }: { name: string; origin: NetworkOrigin; id: KeyId },
): Reason {
  const isListed = trust
    .entries()
    .some((entry) => entry.kind === 'key' && entry.id === id && entry.subject === origin.subject)
  if (isListed) return { by: 'key' }
  for (const root of origin.roots) {
    const certified = trust.book?.certificateOf(root, { key: id, name })
    if (certified === undefined) continue
    const { notAfterMs, note } = certified
    return { by: 'certificate', root, until: new Date(notAfterMs).toISOString(), note }
  }
  return { by: 'key' }
}

function networkLines(found: {
  readonly name: string
  readonly trustFile: string
  readonly subject: string
  readonly how: string
  readonly roots: readonly string[]
  readonly publishers: readonly ({ fingerprint: string; words: string } & Reason)[]
}): string[] {
  const { name, trustFile, subject, how, roots, publishers } = found
  const learned = how === 'first-use' ? ', as learned at first use: nobody has compared it' : ''
  const lines = [
    `${name} comes from publishers of the network, and no registry is asked for it`,
    `  because of ${subject} in ${trustFile}${learned}`,
  ]
  for (const { fingerprint, words, by, root, until, note } of publishers) {
    const why = by === 'key' ? 'named there' : `certified by ${root} until ${until}: ${note}`
    lines.push(`  publisher ${fingerprint}`, `    ${words}`, `    ${why}`)
  }
  if (publishers.length === 0) {
    const root = roots.join(', ')
    lines.push(
      `  no publisher is known: no valid certificate of ${root} is here, and nothing is installed`,
    )
    lines.push('  they come from peers that have them, or by "catalog ca import FILE"')
  }
  return lines
}

function noop(): void {
  // What is wrong with the file is thrown.
}

const quiet = { debug: noop, info: noop, warn: noop, error: noop }
