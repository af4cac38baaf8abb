/**
 * Which bytes a hint means, by what is known here only, and whether they are for this platform at all.
 * Never asks upstream for metadata; what cannot be decided without is left to the client's own request.
 */
import { findDigest, type Digest } from '@catalog-p2p/core'
import type { Bindings } from '../artifacts/bindings/bindings.ts'
import type { Registries } from '../upstream/registries.ts'
import type { VersionIndex } from '../packuments/version-index.ts'
import type { Hint } from './hint.ts'

export interface HintedArtifactDependencies {
  readonly registries: Registries
  readonly index: VersionIndex
  readonly bindings: Pick<Bindings, 'digestOf'>
}

export async function digestOfHint(
  deps: HintedArtifactDependencies,
  { name, version, integrity }: Hint,
): Promise<Digest | undefined> {
  const given = findDigest(integrity ?? '')
  if (given !== undefined) return given
  const registry = deps.registries.forName(name)?.url
  const query = { registry, name, version, file: undefined, owners: [''] }
  const facts = await deps.index.find(query)
  const named = { registry: deps.registries.homeOf(name).url, owner: '', name, version }
  return findDigest(facts?.integrity ?? '') ?? deps.bindings.digestOf(named)
}

const SYSTEMS =
  'aix|android|cygwin|darwin|freebsd|haiku|linux|macos|netbsd|openbsd|openharmony|sunos|wasi|wasm32|win32|windows'
const PROCESSORS = 'arm|armv6|armv7|arm64|ia32|loong64|mips64el|ppc64|ppc64le|riscv64|s390x|x64'
const SYSTEM = new RegExp(`(?:^|[-_/.@])(${SYSTEMS})(?=$|[-_/.])`, 'i')
const PROCESSOR = new RegExp(`(?:^|[-_/.])(${PROCESSORS})(?=$|[-_/.])`, 'i')
const OTHER_NAMES: Readonly<Record<string, string>> = { macos: 'darwin', windows: 'win32' }

/**
 * Whether a package's name says that it holds the build for another platform. npm's tree lists those of all platforms
 * (esbuild alone has 26, of 10 MB each), and only their metadata says so properly; a wrong guess costs nothing but a hint.
 */
export function isForOtherPlatform(
  name: string,
  here: { platform: string; arch: string } = process,
): boolean {
  const system = SYSTEM.exec(name)?.[1]?.toLowerCase()
  if (system === undefined) return false
  if ((OTHER_NAMES[system] ?? system) !== here.platform) return true
  const processor = PROCESSOR.exec(name)?.[1]?.toLowerCase()
  return processor !== undefined && processor !== here.arch && !here.arch.startsWith(processor)
}
