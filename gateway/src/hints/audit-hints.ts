/**
 * npm's bulk audit names every package of a project's tree right before its first tarball request. The request goes to
 * upstream unchanged; a bounded copy of its body becomes hints. Never delays, changes or fails the request itself.
 */
import type { IncomingMessage } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { isPackageName, isVersion } from '../http/route.ts'
import { isObject } from '../is-object.ts'
import type { Hint } from './hint.ts'

const unzip = promisify(gunzip)
/** A project of 5,000 packages sends 60 KB, 200 KB unpacked. */
const MAX_BODY_BYTES = 512 * 1024
const MAX_UNPACKED_BYTES = 2 * 1024 * 1024

/**
 * The packages that the body of `req` names; none when it is too long, broken or cut off. Must be called before the body
 * flows, and reads along with its other reader.
 */
export async function readAuditHints(req: IncomingMessage, maxHints: number): Promise<Hint[]> {
  const encoding = req.headers['content-encoding'] ?? 'identity'
  const body = await copyBody(req)
  if (body === undefined) return []
  try {
    const text =
      encoding === 'gzip' ? await unzip(body, { maxOutputLength: MAX_UNPACKED_BYTES }) : body
    await setImmediate() // what the client waits for goes first
    return namedPackages(JSON.parse(text.toString('utf8')), maxHints)
  } catch {
    return [] // not for us to judge: upstream gets the same body, and answers it
  }
}

function copyBody(req: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let chunks: Buffer[] = []
    let size = 0
    const take = (chunk: Buffer): void => {
      size += chunk.byteLength
      if (size <= MAX_BODY_BYTES) chunks.push(chunk)
      else give(undefined)
    }
    const give = (body: Buffer | undefined): void => {
      req.off('data', take)
      chunks = []
      resolve(body)
    }
    req.on('data', take)
    req.once('end', () => give(Buffer.concat(chunks)))
    req.once('close', () => give(undefined))
  })
}

/** `{name: [versions]}`; what makes no sense is left out. */
function namedPackages(body: unknown, maxHints: number): Hint[] {
  if (!isObject(body)) return []
  const hints: Hint[] = []
  for (const [name, versions] of Object.entries(body)) {
    if (!isPackageName(name) || !Array.isArray(versions)) continue
    for (const version of versions as unknown[]) {
      if (hints.length >= maxHints) return hints
      if (typeof version === 'string' && isVersion(version)) hints.push({ name, version })
    }
  }
  return hints
}
