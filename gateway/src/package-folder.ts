/**
 * The folder of this package, where package.json is: from src/ and from dist/ alike, as all of the built code lies side by side
 * there. Files that are no modules are found from here, and nothing else.
 */
import { readFileSync } from 'node:fs'

export const PACKAGE_FOLDER = new URL('../', import.meta.url)

/** Of this package. */
export function packageVersion(): string {
  const text = readFileSync(new URL('package.json', PACKAGE_FOLDER), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** Run from its sources, as in the repository. */
export const IS_SOURCE = import.meta.url.endsWith('.ts')
