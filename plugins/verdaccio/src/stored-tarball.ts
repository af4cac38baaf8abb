/** Reads tarballs from Verdaccio's storage, of any storage plugin. */
import { createHash } from 'node:crypto'
import { createChecker, type Expected } from './integrity.ts'
import type { OpenTarball } from './tarball-request.ts'
import { createUplinkSource } from './uplink-source.ts'
import type { LocalStorage } from './verdaccio.ts'

/** A storage that delivers nothing for this long has failed. */
const SILENCE_MS = 60_000

export interface StoredTarballs {
  open(name: string, filename: string, options: { signal: AbortSignal }): Promise<OpenTarball>
  /** The file's sha512 as `integrity`; undefined when the file does not match `expected`. */
  digest(
    file: { name: string; filename: string; expected: Expected | undefined },
    options: { signal: AbortSignal },
  ): Promise<string | undefined>
}

export function createStoredTarballs(localStorage: LocalStorage): StoredTarballs {
  const open: StoredTarballs['open'] = (name, filename, options) => {
    const start = () => {
      const stream = localStorage.getTarball(name, filename)
      return { stream, cancel: () => stream.abort() }
    }
    return createUplinkSource(start, { silenceMs: SILENCE_MS }).open(options)
  }
  return {
    open,
    async digest({ name, filename, expected }, options) {
      const sha512 = createHash('sha512')
      const checker = expected && createChecker(expected)
      const { body } = await open(name, filename, options)
      for await (const chunk of body) {
        sha512.update(chunk)
        checker?.update(chunk)
      }
      if (checker?.matches() === false) return undefined
      return `sha512-${sha512.digest('base64')}`
    },
  }
}
