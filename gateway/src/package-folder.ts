/**
 * The folder of this package, where package.json is: from src/ and from dist/ alike, as all of the built code lies side by side
 * there. Files that are no modules are found from here, and nothing else.
 */
export const PACKAGE_FOLDER = new URL('../', import.meta.url)

/** Run from its sources, as in the repository. */
export const IS_SOURCE = import.meta.url.endsWith('.ts')
