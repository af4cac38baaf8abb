/**
 * TLS 1.3 with a pre-shared key and nothing else (RFC 8446, psk_dhe_ke): no certificates, so nothing to make, to read a name from, or to
 * fall back to. Who does not know the key gets an alert before it has learned or sent anything; the keys of a connection are those of
 * a fresh Diffie-Hellman exchange, so a key that leaks later opens no recording. Both ends of one ticket have fixed parts (who issued it
 * accepts it and never dials with it), so nothing can be sent back to its sender (RFC 9257, section 4.1).
 */
import {
  createSecureContext,
  type PSKCallbackNegotation,
  type SecureContext,
  type SecureContextOptions,
} from 'node:tls'

/** Node's PSK callbacks come with SHA-256, so of TLS 1.3's suites these. AES first: it has instructions nearly everywhere. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256'

/** `ca` is empty on purpose: no certificate is good for anything here, and the system's would take time to load. */
export const TLS_ONLY_PSK = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: CIPHERS,
  ca: [],
} satisfies SecureContextOptions

let clientContext: SecureContext | undefined

/** For `tls.connect`. */
export function dialSettings(psk: PSKCallbackNegotation): {
  readonly secureContext: SecureContext
  readonly rejectUnauthorized: true
  readonly pskCallback: () => PSKCallbackNegotation
  readonly checkServerIdentity: () => Error
} {
  clientContext ??= createSecureContext(TLS_ONLY_PSK)
  return {
    secureContext: clientContext,
    rejectUnauthorized: true, // whatever NODE_TLS_REJECT_UNAUTHORIZED says
    pskCallback: () => psk,
    // Asked only where there was a certificate instead of the key.
    checkServerIdentity: () => new Error('a certificate proves nothing here'),
  }
}
