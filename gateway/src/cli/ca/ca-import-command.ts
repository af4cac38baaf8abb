/** `catalog ca import|list`: what organisations have signed comes in from files, and is shown. */
import { CatalogError, isCatalogError, openCertificate, openRevocations } from '@catalog-p2p/core'
import type { CertificateBook } from '../../trust/certificate-book.ts'
import type { Invocation } from '../shell/invocation.ts'
import { openBook, shownOrganisation } from './ca-book.ts'
import { print, readOffered } from './ca-files.ts'

export async function caImportCommand(
  invocation: Invocation,
  files: readonly string[],
): Promise<number> {
  const book = openBook(invocation)
  const taken: string[] = []
  for (const file of files) {
    const bytes = await readOffered(invocation, file)
    const issuer = await takeOffered(book, bytes, file)
    taken.push(issuer)
  }
  return print(invocation, { files, roots: taken }, [
    ...files.map((file, index) => `took over ${file}, of ${taken[index] ?? ''}`),
  ])
}

export async function caListCommand(invocation: Invocation): Promise<number> {
  const book = openBook(invocation)
  const known = book.roots().map((root) => shownOrganisation(book.of(root)))
  const lines = known.flatMap(({ root, sequence, certificates, revoked }) => [
    `${root}  revocation list ${sequence}, ${revoked.length} revoked`,
    ...certificates.map(
      ({ subject, names, until, note }) =>
        `  ${subject}  ${names.join(', ')}  until ${until}  ${note}`,
    ),
    ...revoked.map((each) => `  ${each}  revoked`),
  ])
  return print(invocation, { organisations: known }, lines.length === 0 ? ['none'] : lines)
}

async function takeOffered(
  book: CertificateBook,
  bytes: Uint8Array,
  file: string,
): Promise<string> {
  const opened = tryOpen(() => openCertificate(bytes)) ?? tryOpen(() => openRevocations(bytes))
  if (opened === undefined) {
    throw new CatalogError(
      'INVALID_OPTIONS',
      `${file}: neither a certificate nor a revocation list`,
    )
  }
  const isCertificate = 'notAfterMs' in opened
  const offered = isCertificate
    ? { revocations: undefined, certificates: [bytes] }
    : { revocations: bytes, certificates: [] }
  await book.take(opened.issuer, offered)
  return opened.issuer
}

function tryOpen<T>(open: () => T): T | undefined {
  try {
    return open()
  } catch (error) {
    if (isCatalogError(error, 'INVALID_STATEMENT')) return undefined
    throw error
  }
}
