/**
 * yarn.lock of Yarn 2 to 4: YAML, one entry per locator. It has no digest of the tarball (`checksum` is that of the zip
 * Yarn makes of it), so packages come out as name and version only.
 */
import { fields, optionalText } from './lockfile-problem.ts'
import { isVersion, reasonFor, splitAtName } from './package-collector.ts'
import type { PackageCollector } from './package-collector.ts'
import { parseYaml } from './yaml-text.ts'

export function readYarnBerryLock(text: string, into: PackageCollector): void {
  const lock = fields(parseYaml(text)[0], 'the whole file')
  for (const [key, value] of Object.entries(lock)) {
    if (key === '__metadata') continue
    const entry = fields(value, key)
    const resolution = optionalText(entry.resolution, `"${key}".resolution`) ?? ''
    const locator = splitAtName(resolution)
    const reference = locator?.rest ?? ''
    if (locator === undefined || !reference.startsWith('npm:')) {
      into.skip(key, reasonFor(reference) ?? (isGitUrl(reference) ? 'git' : 'tarball'))
      continue
    }
    // npm:1.0.0, or npm:1.0.0::__archiveUrl=https%3A%2F%2F… where the registry says the tarball is elsewhere
    const [version = '', bindings = ''] = reference.slice('npm:'.length).split('::', 2)
    into.add({
      entry: key,
      name: locator.name,
      version: isVersion(version) ? version : '',
      url: new URLSearchParams(bindings).get('__archiveUrl') ?? undefined,
      ...conditions(optionalText(entry.conditions, `"${key}".conditions`) ?? ''),
    })
  }
}

function isGitUrl(reference: string): boolean {
  return /#(?:.*&)?(?:commit|head|tag|semver)=/.test(reference)
}

type Conditions = Partial<Record<'os' | 'cpu' | 'libc', string[]>>

/** `(os=linux | os=darwin) & !cpu=arm` as npm's lists: os [linux, darwin], cpu [!arm]. */
function conditions(text: string): Conditions {
  const lists: Conditions = {}
  for (const [, not = '', kind = '', inner = '', value = ''] of text.matchAll(
    /(!?)\b(os|cpu|libc)=(!?)([\w.-]+)/g,
  )) {
    if (kind !== 'os' && kind !== 'cpu' && kind !== 'libc') continue
    const list = (lists[kind] ??= [])
    list.push((not === '!' || inner === '!' ? '!' : '') + value)
  }
  return lists
}
