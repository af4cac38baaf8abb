/**
 * Attestations for `npm audit signatures`: a transparency log with a key of its own, made for the test, which npm trusts
 * because the TUF repository of features-tuf.ts names it; and statements about a version, signed with its registry's key, as
 * the public registry makes one of each publication. https://github.com/secure-systems-lab/dsse, https://docs.sigstore.dev
 */
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import type { SignedVersion } from './features-signatures.ts'

export interface TransparencyLog {
  /** The TUF target that names it, and nobody else, as one to be trusted. */
  readonly trustedRoot: string
  /** What a registry answers at /-/npm/v1/attestations/NAME@VERSION; `about`: the integrity that it vouches for. */
  attestations(
    version: SignedVersion,
    options: { sign: (data: Buffer) => string; about: string },
  ): object
}

const PUBLISHED = 'https://github.com/npm/attestation/tree/main/specs/publish/v0.1'
const PAYLOAD_TYPE = 'application/vnd.in-toto+json'
const INTEGRATED_TIME = Date.UTC(2026, 0, 2) / 1000
const LOG_INDEX = 7

export function createTransparencyLog(): TransparencyLog {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const der = publicKey.export({ format: 'der', type: 'spki' })
  const logId = createHash('sha256').update(der).digest()

  /** The log's promise that the entry is in it. Members sorted, as the signature is of these very bytes. */
  function promise(body: string): string {
    const entry = { body, integratedTime: INTEGRATED_TIME, logID: logId.toString('hex') }
    const text = JSON.stringify({ ...entry, logIndex: LOG_INDEX }, [
      ...['body', 'integratedTime', 'logID', 'logIndex'],
    ])
    return sign('sha256', Buffer.from(text), privateKey).toString('base64')
  }

  function entryOf(signature: string, payload: Buffer): object {
    const payloadHash = { algorithm: 'sha256', value: digest('sha256', payload) }
    const spec = { payloadHash, signatures: [{ signature }] }
    const text = JSON.stringify({ apiVersion: '0.0.1', kind: 'dsse', spec })
    const body = Buffer.from(text).toString('base64')
    return {
      logIndex: String(LOG_INDEX),
      logId: { keyId: logId.toString('base64') },
      kindVersion: { kind: 'dsse', version: '0.0.1' },
      integratedTime: String(INTEGRATED_TIME),
      inclusionPromise: { signedEntryTimestamp: promise(body) },
      canonicalizedBody: body,
    }
  }

  return {
    trustedRoot: trustedRoot(der, logId),
    attestations(version, { sign: signWith, about }) {
      const payload = Buffer.from(JSON.stringify(statementOf(version, about)))
      const signature = signWith(preAuthentication(payload))
      const bundle = {
        mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
        verificationMaterial: {
          publicKey: { hint: version.keyid },
          tlogEntries: [entryOf(signature, payload)],
        },
        dsseEnvelope: {
          ...{ payload: payload.toString('base64'), payloadType: PAYLOAD_TYPE },
          signatures: [{ sig: signature, keyid: version.keyid }],
        },
      }
      return { attestations: [{ predicateType: PUBLISHED, bundle }] }
    },
  }
}

function trustedRoot(key: Buffer, logId: Buffer): string {
  const log = {
    baseUrl: 'https://log.example',
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: key.toString('base64'),
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
      validFor: { start: '2020-01-01T00:00:00.000Z' },
    },
    logId: { keyId: logId.toString('base64') },
  }
  return JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    ...{ tlogs: [log], certificateAuthorities: [], ctlogs: [], timestampAuthorities: [] },
  })
}

function statementOf({ name, version }: SignedVersion, about: string): object {
  const sha512 = Buffer.from(about.replace(/^sha512-/, ''), 'base64').toString('hex')
  return {
    _type: 'https://in-toto.io/Statement/v0.1',
    subject: [{ name: `pkg:npm/${name}@${version}`, digest: { sha512 } }],
    predicateType: PUBLISHED,
    predicate: { name, version },
  }
}

/** What a DSSE envelope's signature is of. */
function preAuthentication(payload: Buffer): Buffer {
  const head = `DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `
  return Buffer.concat([Buffer.from(head), payload])
}

function digest(algorithm: string, data: Buffer): string {
  return createHash(algorithm).update(data).digest('hex')
}
