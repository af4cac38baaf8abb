/**
 * What is in the tarballs that npm makes of our packages: everything that package.json points to, the licence, and nothing
 * of the sources or tests. Publint finds what clients and bundlers would stumble over, are-the-types-wrong what TypeScript would.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { list } from 'tar'
import { describe, expect, test } from 'vitest'
import { OURS, packedTarball } from '../support/registries/published.ts'
import { readText, repositoryRoot } from '../support/source-tree.ts'

const BUILD_TIMEOUT_MS = 240_000
/** Of the sources in this repository alone: what is packed has no such file, and nobody else sets that condition. */
const SOURCE_CONDITION = '@catalog-p2p/source'
/** Of these programs import something; the others are run, or read by their client. */
const TYPED: readonly string[] = ['core', 'gateway', 'plugins/verdaccio']
/** What are-the-types-wrong says of every package that is ES modules alone ("esm-only" of its command line). */
const OF_MODULES_ALONE: readonly string[] = ['NoResolution', 'CJSResolvesToESM']

describe.each(OURS)('%s', (folder) => {
  test(
    'has its licence, its page and what package.json names',
    async () => {
      const licence = await readFile(join(repositoryRoot, 'LICENSE'), 'utf8')
      expect(await readFile(join(repositoryRoot, folder, 'LICENSE'), 'utf8')).toBe(licence)
      const files = await filesIn(await packedTarball(folder))
      expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
      const { man } = await readManifest(folder)
      if (man !== undefined) expect(files).toContain(man.replace('./', ''))
      expect(files.filter((file) => /\.test\.|^src\/|[^d]\.ts$/.test(file))).toEqual([])
    },
    BUILD_TIMEOUT_MS,
  )

  test('says of itself what a registry shows', async () => {
    const manifest = await readManifest(folder)
    expect(manifest).toMatchObject({ license: 'Apache-2.0', description: expect.any(String) })
    expect(manifest.keywords?.length).toBeGreaterThan(2)
    if (manifest.exports !== undefined) {
      expect(manifest.exports).toHaveProperty(['./package.json'], './package.json')
    }
  })

  test(
    'is as large as docs/operating.md says, to a tenth',
    async () => {
      const { name } = await readManifest(folder)
      const row = new RegExp(`^\\| \`${name}\` +\\| ([\\d,]+) +\\|$`, 'm')
      const kB = Number(row.exec(readText('docs/operating.md'))?.[1]?.replace(',', ''))
      const packed = (await packedTarball(folder)).byteLength / 1000
      expect(Math.abs(packed - kB), `${packed} kB`).toBeLessThanOrEqual(Math.max(1, kB / 10))
    },
    BUILD_TIMEOUT_MS,
  )

  test(
    'publint has nothing to say',
    async () => {
      const packed = await packedTarball(folder)
      const tarball = new Uint8Array(packed).buffer
      const { messages, pkg = {} } = await publint({ pack: { tarball }, strict: true })
      const others = messages.filter(({ path }) => !path.includes(SOURCE_CONDITION))
      expect(others.map((message) => formatMessage(message, pkg))).toEqual([])
    },
    BUILD_TIMEOUT_MS,
  )

  test(
    'its types are found, and are those of what runs',
    async () => {
      const packed = createPackageFromTarballData(new Uint8Array(await packedTarball(folder)))
      const { types, ...found } = await checkPackage(packed)
      expect(types !== false).toBe(TYPED.includes(folder))
      const problems = 'problems' in found ? found.problems : []
      expect(problems.filter(({ kind }) => !OF_MODULES_ALONE.includes(kind))).toEqual([])
    },
    BUILD_TIMEOUT_MS,
  )
})

interface Manifest {
  readonly name: string
  readonly man?: string
  readonly keywords?: readonly string[]
  readonly exports?: unknown
}

async function readManifest(folder: string): Promise<Manifest> {
  const text = await readFile(join(repositoryRoot, folder, 'package.json'), 'utf8')
  return JSON.parse(text) as Manifest
}

async function filesIn(tarball: Buffer): Promise<string[]> {
  const files: string[] = []
  const reader = list({
    onReadEntry: ({ path }) => void files.push(path.replace(/^package\//, '')),
  })
  await new Promise<void>((resolve, reject) => {
    reader.on('end', resolve).on('error', reject)
    reader.end(tarball)
  })
  return files
}
