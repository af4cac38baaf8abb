/** Which change of a package a registry call asks for: from method and path alone. Pure. The paths are npm's (libnpmpublish, npm dist-tag). */

export type ChangeRequest =
  | { readonly kind: 'document'; readonly revision: string | undefined }
  | { readonly kind: 'unpublish'; readonly revision: string }
  /** npm says it after it has taken the version out of the document. */
  | { readonly kind: 'remove-tarball' }
  | { readonly kind: 'set-tag' | 'remove-tag'; readonly tag: string }

/** `read`: no change; undefined: nothing that a package of the network has. */
export function parseChange(
  method: string,
  path: string,
  name: string,
): ChangeRequest | 'read' | undefined {
  const [segments = ''] = path.split('?', 1)
  const parts = segments.split('/').filter(Boolean).map(decode)
  if (parts[0] === '-') return parts[1] === 'package' ? tagChange(method, parts) : undefined
  // A scoped name is one segment or two, as clients differ.
  const rest = parts[0] === name ? parts.slice(1) : parts.slice(name.split('/').length)
  const [first, second, third] = rest
  if (first === undefined) {
    if (method === 'GET' || method === 'HEAD') return 'read'
    return method === 'PUT' ? { kind: 'document', revision: undefined } : undefined
  }
  if (first === '-rev' && second !== undefined) {
    if (method === 'PUT') return { kind: 'document', revision: second }
    return method === 'DELETE' ? { kind: 'unpublish', revision: second } : undefined
  }
  const isTarball = first === '-' && third === '-rev'
  return isTarball && method === 'DELETE' ? { kind: 'remove-tarball' } : undefined
}

/** /-/package/<name>/dist-tags/<tag> */
function tagChange(method: string, parts: readonly string[]): ChangeRequest | undefined {
  const tag = parts.at(-1) ?? ''
  if (parts.at(-2) !== 'dist-tags') return undefined
  if (method === 'PUT' || method === 'POST') return { kind: 'set-tag', tag }
  return method === 'DELETE' ? { kind: 'remove-tag', tag } : undefined
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
