/** The certificates beside the trust file, for commands, and what is shown of them. */
import { dirname } from 'node:path'
import { CertificateBook } from '../../trust/certificate-book.ts'
import { revokedBy, type Organisation } from '../../trust/organisation.ts'
import { certificatesPath } from '../../trust/trust-file.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'
import { trustPathOf } from '../trust/trust-command.ts'

export function openBook(invocation: Invocation): CertificateBook {
  const { terminal } = invocation
  const note = (event: string, facts: object = {}): void =>
    terminal.note(`catalog: warning: ${event} ${JSON.stringify(facts)}`)
  const log = { debug: noop, info: noop, warn: note, error: note }
  return new CertificateBook(certificatesPath(dirname(trustPathOf(loadConfig(invocation)))), {
    log,
  })
}

export interface ShownOrganisation {
  readonly root: string
  readonly sequence: number
  readonly certificates: readonly {
    readonly subject: string
    readonly names: readonly string[]
    readonly until: string
    readonly note: string
  }[]
  readonly revoked: readonly string[]
}

export function shownOrganisation(known: Organisation): ShownOrganisation {
  return {
    root: known.root,
    sequence: known.revocations?.said.sequence ?? 0,
    certificates: known.certificates.map(({ said: { subject, names, notAfterMs, note } }) => ({
      subject: subject.kind === 'publisher' ? subject.key : subject.peer,
      ...{ names, note, until: new Date(notAfterMs).toISOString() },
    })),
    revoked: [...revokedBy(known)],
  }
}

function noop(): void {
  // Only what is wrong is worth a word.
}
