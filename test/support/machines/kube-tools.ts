/**
 * Helm and kubectl as a package of npm's registry has them: programs for Linux in an archive, unpacked once a test run. The cluster
 * that they would ask does not exist: they render and check files.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { inflateRawSync } from 'node:zlib'
import { repositoryRoot } from '../source-tree.ts'
import { madeOnce } from '../test-run.ts'

const PACKAGE = join(repositoryRoot, 'test/clients/node_modules/@aws-cdk/asset-kubectl-v20')
const ARCHIVE = join(PACKAGE, 'lib', 'layer.zip')

export function whyNoKubeTools(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'Helm is here for Linux x64'
  return existsSync(ARCHIVE) ? undefined : 'test/clients is not set up: run `npm test` once'
}

export async function kubeTool(name: 'helm' | 'kubectl'): Promise<string> {
  const path = `${name}/${name}`
  const folder = await madeOnce(name, async (made) => {
    const program = readZipEntry(await readFile(ARCHIVE), path)
    await mkdir(dirname(join(made, path)))
    await writeFile(join(made, path), program, { mode: 0o755 })
  })
  return join(folder, path)
}

const DIRECTORY_ENTRY = 0x02_01_4b_50
const END_OF_DIRECTORY = 0x06_05_4b_50
const END_BYTES = 22
const DEFLATED = 8

/** PKWARE's APPNOTE, 4.3: the directory at the end says where each file begins. An archive without a comment, and a deflated file. */
function readZipEntry(zip: Buffer, wanted: string): Buffer {
  const end = zip.byteLength - END_BYTES
  if (zip.readUInt32LE(end) !== END_OF_DIRECTORY) throw new Error('no directory of a zip file')
  let at = zip.readUInt32LE(end + 16)
  while (zip.readUInt32LE(at) === DIRECTORY_ENTRY) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) =>
      zip.readUInt16LE(at + field),
    ) as [number, number, number]
    const name = zip.toString('utf8', at + 46, at + 46 + nameBytes)
    if (name === wanted && zip.readUInt16LE(at + 10) === DEFLATED) {
      const header = zip.readUInt32LE(at + 42)
      const data = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28)
      return inflateRawSync(zip.subarray(data, data + zip.readUInt32LE(at + 20)))
    }
    at += 46 + nameBytes + extraBytes + commentBytes
  }
  throw new Error(`no ${wanted} in the archive`)
}
