/**
 * npm's client certificates: `//host[:port]/path/:certfile` and `:keyfile`, which belong to what lies under that prefix, as
 * tokens do. What a registry gives to a certificate counts as private (privacy.ts). The files are read, never logged.
 */
import { readFileSync } from 'node:fs'
import { CatalogError } from '@catalog-p2p/core'
import type { NpmConfig } from './npmrc.ts'

export interface ClientCertificate {
  /** `//host[:port]/path/`, with slashes at both ends. */
  readonly prefix: string
  /** PEM. */
  readonly cert: string
  readonly key: string
}

/**
 * The longest prefix first. One file without the other counts as none, as in npm.
 * @throws CatalogError INVALID_OPTIONS when a file cannot be read
 */
export function readClientCertificates(config: NpmConfig): readonly ClientCertificate[] {
  return [...certificateFiles(config)].map(([prefix, files]) => ({
    prefix,
    cert: read(files.cert, `${prefix}:certfile`),
    key: read(files.key, `${prefix}:keyfile`),
  }))
}

/** Whether a certificate is shown for `url`; tells without reading any. */
export function certifiedUrls(config: NpmConfig): (url: URL) => boolean {
  const prefixes = [...certificateFiles(config).keys()]
  return (url) => prefixes.some((prefix) => liesUnder(url, prefix))
}

/** Certificates are for TLS: nothing else lies under such a prefix. */
export function liesUnder(url: URL, prefix: string): boolean {
  return url.protocol === 'https:' && `//${url.host}${url.pathname}/`.startsWith(prefix)
}

interface Files {
  readonly cert: string
  readonly key: string
}

function certificateFiles(config: NpmConfig): Map<string, Files> {
  const found = new Map<string, Files>()
  for (const name of config.keys()) {
    const given = /^(\/\/[^/]+(?:\/.*)?):certfile$/.exec(name)?.[1]
    if (given === undefined) continue
    const [cert, key] = [config.get(name), config.get(`${given}:keyfile`)]
    if (cert === undefined || key === undefined || cert === '' || key === '') continue
    found.set(given.endsWith('/') ? given : `${given}/`, { cert, key })
  }
  return new Map([...found].sort(([a], [b]) => b.length - a.length))
}

function read(file: string, setting: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CatalogError('INVALID_OPTIONS', `npm's ${setting} cannot be read: ${file}`, {
      cause: error,
      hint: 'correct it in .npmrc, or remove it',
    })
  }
}
