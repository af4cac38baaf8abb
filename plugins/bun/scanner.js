/**
 * Bun calls a security scanner after resolving and before it fetches the first tarball, with every package of the project. This
 * one passes the list on to the Catalog P2P daemon that is Bun's registry. It never reports a package, never fails an install,
 * and delays it by a bounded time. https://bun.com/docs/install/security-scanner-api, docs/prefetch.md
 */
/* global AbortSignal, fetch */
const PROBE_MS = 150
const SEND_MS = 500
/** Most packages that the daemon accepts in one list. */
const MAX_PACKAGES = 5_000

export const scanner = {
  version: '1',
  async scan({ packages: all }) {
    try {
      const packages = all.filter(isOfRegistry)
      const origin = daemonOriginOf(packages)
      if (origin !== undefined && (await isDaemon(origin))) await send(origin, packages)
    } catch {
      // No daemon, or a busy one: Bun asks for each package anyway.
    }
    return []
  },
}

/** A package of a git repository or a folder has a location in place of a version. */
function isOfRegistry({ version }) {
  return /^\d+\.\d+\.\d+(?:[-+][\w.+-]*)?$/.test(version)
}

/**
 * The daemon's origin: the registry on this machine that most tarballs come from. Without a lockfile Bun names no tarballs, as
 * the daemon leaves them out of its metadata for Bun; then the default port.
 */
function daemonOriginOf(packages) {
  const counts = new Map()
  for (const { tarball } of packages) {
    const origin = /^http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?(?=\/)/.exec(tarball)?.[0]
    if (origin !== undefined) counts.set(origin, (counts.get(origin) ?? 0) + 1)
  }
  const found = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0]
  if (found !== undefined || packages.every(({ tarball }) => tarball !== '')) return found
  return `http://127.0.0.1:${Number(process.env.CATALOG_PORT || 4874)}`
}

async function isDaemon(origin) {
  const signal = AbortSignal.timeout(PROBE_MS)
  const response = await fetch(`${origin}/-/catalog/health`, { signal, redirect: 'error' })
  return response.status === 200 && 'registries' in (await response.json())
}

async function send(origin, packages) {
  const own = packages.filter(({ tarball }) => tarball === '' || tarball.startsWith(`${origin}/`))
  const list = own.slice(0, MAX_PACKAGES).map(({ name, version }) => ({ name, version }))
  const response = await fetch(`${origin}/-/catalog/hints`, {
    method: 'POST',
    redirect: 'error',
    signal: AbortSignal.timeout(SEND_MS),
    headers: { 'content-type': 'application/json', 'x-catalog-client': 'bun' },
    body: JSON.stringify({ packages: list }),
  })
  await response.arrayBuffer()
}
