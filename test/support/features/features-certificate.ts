/**
 * Certificates for one host name or IPv4 address, made when they are needed: Node can read certificates but not write them, and a
 * private key in the repository would be found by every scanner. DER by hand: https://www.rfc-editor.org/rfc/rfc5280
 */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIPv4 } from 'node:net'

export interface SelfSigned {
  /** PEM. */
  readonly certificate: string
  readonly key: string
}

const DAY_MS = 86_400_000
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'
const COMMON_NAME = '2.5.4.3'
const ALTERNATIVE_NAME = '2.5.29.17'
const BASIC_CONSTRAINTS = '2.5.29.19'

export function selfSigned(host: string): SelfSigned {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const certificate = issue({ name: host, host, keys, isAuthority: true }, { name: host, keys })
  return { certificate, key: pemOf(keys) }
}

/** One that an authority has issued: some clients take no authority's own certificate for a server's. */
export function certified(host: string): SelfSigned & { readonly authority: string } {
  const issuer = {
    name: 'an authority of its own',
    keys: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  }
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    authority: issue({ ...issuer, host: undefined, isAuthority: true }, issuer),
    certificate: issue({ name: host, host, keys, isAuthority: false }, issuer),
    key: pemOf(keys),
  }
}

interface Named {
  readonly name: string
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
}

/** PEM. */
function issue(
  subject: Named & { readonly host: string | undefined; readonly isAuthority: boolean },
  issuer: Named,
): string {
  const { host, isAuthority } = subject
  const algorithm = sequence(objectId(ECDSA_WITH_SHA256))
  const nameOf = ({ name }: Named): Buffer =>
    sequence(tagged(0x31, sequence(objectId(COMMON_NAME), tagged(0x0c, Buffer.from(name)))))
  const authority = sequence(tagged(0x01, Buffer.from([0xff]))) // cA: TRUE
  const content = sequence(
    tagged(0xa0, integer(Buffer.from([2]))), // version 3
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    nameOf(issuer),
    sequence(time(Date.now() - DAY_MS), time(Date.now() + 30 * DAY_MS)),
    nameOf(subject),
    subject.keys.publicKey.export({ format: 'der', type: 'spki' }),
    tagged(
      0xa3,
      sequence(
        ...(host === undefined ? [] : [extension(ALTERNATIVE_NAME, sequence(alternative(host)))]),
        ...(isAuthority ? [extension(BASIC_CONSTRAINTS, authority)] : []),
      ),
    ),
  )
  const signature = sign('sha256', content, issuer.keys.privateKey)
  const bits = tagged(0x03, Buffer.concat([Buffer.from([0]), signature]))
  const base64 = sequence(content, algorithm, bits).toString('base64')
  const lines = base64.match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function alternative(host: string): Buffer {
  return isIPv4(host)
    ? tagged(0x87, Buffer.from(host.split('.').map(Number))) // iPAddress
    : tagged(0x82, Buffer.from(host)) // dNSName
}

function pemOf({ privateKey }: Named['keys']): string {
  return String(privateKey.export({ format: 'pem', type: 'pkcs8' }))
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts))
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes)
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(objectId(id), tagged(0x04, value))
}

/** YYMMDDHHMMSSZ */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/^\d\d|[-:T]|\.\d+/g, '')
  return tagged(0x17, Buffer.from(text))
}

function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const groups = [arc & 0x7f]
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return tagged(0x06, Buffer.from(bytes))
}
