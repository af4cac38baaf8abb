/**
 * The last door before Verdaccio's storage: an upload becomes a file when `done` is called, so that is where it is stopped.
 * Tarballs that came through us are checked already; one that found another way (another plugin, a Verdaccio that works
 * differently) is hashed as it passes.
 */
import type { Logger } from '@catalog-p2p/core'
import type { Counters } from './counters.ts'
import { createDigestRecorder } from './integrity.ts'
import { tarballRecord } from './manifest.ts'
import type { TarballContext } from './request-context.ts'
import type { LocalStorage, UploadStream } from './verdaccio.ts'

/** Keeps what came through us, where it was checked. */
export function keepChecked(upload: UploadStream, context: TarballContext, log: Logger): void {
  const done = upload.done.bind(upload)
  upload.done = () => {
    if (context.download === 'checked') return done()
    const { name, filename, download } = context
    if (download === 'unseen')
      log.error('storage.refused', { package: name, file: filename, download })
    upload.abort()
  }
}

/** Keeps what has the hash in its metadata. */
export function checkUpload(
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
