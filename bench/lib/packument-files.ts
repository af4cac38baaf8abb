/** Packuments as a gateway gives them to npm: fetched once, kept as files for a rival, and listed for a replay that checks each byte. */
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import type { CorpusFile } from './corpus.ts'

/** As npm asks at an install. */
export const NPM_METADATA = {
  accept: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*',
  'accept-encoding': 'gzip',
} as const

/** Asked for as `file` is named, whatever it says. */
export function metadataOf(file: CorpusFile): CorpusFile {
  return { ...file, path: pathOf(file.name), integrity: '' }
}

function pathOf(name: string): string {
  return name.replace('/', '%2f')
}

/** Those of `names`, also in `folder`, one file each. */
export async function fetchPackuments(
  port: number,
  names: readonly string[],
  folder: string,
): Promise<CorpusFile[]> {
  await mkdir(folder, { recursive: true })
  const files: CorpusFile[] = []
  for (const [index, name] of names.entries()) {
    const path = pathOf(name)
    const body = await download(port, `/${path}`)
    const file = String(index)
    await writeFile(join(folder, file), body)
    const integrity = `sha512-${createHash('sha512').update(body).digest('base64')}`
    files.push({ name, version: file, path, bytes: body.byteLength, integrity })
  }
  return files
}

/** The same files by the names that a plain server has them under. */
export function plainPaths(files: readonly CorpusFile[]): CorpusFile[] {
  return files.map((file) => ({ ...file, path: file.version }))
}

/** As it comes, packed. */
function download(port: number, path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = get(
      { host: '127.0.0.1', port, path, headers: { ...NPM_METADATA, 'user-agent': 'npm/11.0.0' } },
      (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode === 200) resolve(Buffer.concat(parts))
          else reject(new Error(`${path}: ${response.statusCode ?? 0}`))
        })
      },
    )
    request.on('error', reject)
  })
}
