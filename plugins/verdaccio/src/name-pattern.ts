/**
 * Package name patterns of the `seed` and `private` lists: `*` stands for any characters but a slash, and nothing else is
 * special. Pure.
 */

export type NameMatcher = (name: string) => boolean

/** True for names that any of the patterns fits; case does not matter, as in Verdaccio's own patterns. */
export function createNameMatcher(patterns: readonly string[]): NameMatcher {
  const expressions = patterns.map((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
    return new RegExp(`^${parts.join('[^/]*')}$`, 'i')
  })
  return (name) => expressions.some((each) => each.test(name))
}
