/**
 * The last check before Verdaccio's storage: an upload becomes a file when `done` is called, so `done` is where it is stopped.
 * Tarballs that this plugin fetched are checked already; those that came another way (another plugin, another Verdaccio) are
 * hashed as they pass.
 */
import type { Logger } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import { createDigestRecorder } from './integrity.ts'
import { tarballRecord } from './manifest.ts'
import type { TarballContext } from './request-context.ts'
import type { LocalStorage, UploadStream } from './verdaccio.ts'

/** Stores a tarball that this plugin fetched and checked. */
export function storeIfChecked(upload: UploadStream, context: TarballContext, log: Logger): void {
  const done = upload.done.bind(upload)
  upload.done = () => {
    if (context.download === 'checked') return done()
    const { name, filename, download } = context
    if (download === 'unseen')
      log.error('storage.refused', { package: name, file: filename, download })
    upload.abort()
  }
}

/** Stores a tarball whose bytes match its metadata. */
export function storeIfMatching(
  upload: UploadStream,
  tarball: { readonly name: string; readonly filename: string },
  deps: {
    readonly storage: { readonly localStorage: Pick<LocalStorage, 'getPackageMetadataAsync'> }
    readonly counters: Counters
    readonly log: Logger
  },
): void {
  const { name, filename } = tarball
  const recorder = createDigestRecorder()
  const ended = new Promise<void>((resolve) => upload.once('end', resolve))
  upload.on('data', (bytes: Uint8Array) => recorder.update(bytes))
  const done = upload.done.bind(upload)

  async function decide(): Promise<void> {
    await ended
    const manifest = await deps.storage.localStorage.getPackageMetadataAsync(name)
    const { expected, label } = tarballRecord(manifest, name, filename)
    if (expected !== undefined && recorder.matches(expected)) return done()
    deps.counters.integrityFailures.uplink += 1
    const problem = expected === undefined ? 'has no hash' : 'does not match its metadata'
    deps.log.error('storage.refused', { package: label, file: filename, problem })
    upload.emit('error', new Error(`${label}: ${filename} ${problem}; not stored`))
    upload.abort()
  }

  upload.done = () => {
    decide().catch((error: unknown) => {
      deps.log.error('storage.refused', { package: name, file: filename, error })
      upload.abort()
    })
  }
}
