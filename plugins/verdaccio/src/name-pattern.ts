/** Package name patterns of the `seed` and `private` lists: `*` matches any characters but a slash. Pure. */

export type NameMatcher = (name: string) => boolean

/** True for names that match one of the patterns; case is ignored, as in Verdaccio's own patterns. */
export function createNameMatcher(patterns: readonly string[]): NameMatcher {
  const expressions = patterns.map((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
    return new RegExp(`^${parts.join('[^/]*')}$`, 'i')
  })
  return (name) => expressions.some((each) => each.test(name))
}
