/**
 * `catalog` as most tests start it: the sources, put into a few files once per test run. Node takes twice the time to find and
 * strip the thousand files they are, and tests start hundreds of processes. Nothing else changes: what looks for files beside
 * itself finds those of the sources. That the sources run as they are is shown by cli.test.ts, and what is published by packed.test.ts.
 */
import { symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { rolldown, type Plugin } from 'rolldown'
import { repositoryRoot } from './source-tree.ts'
import { madeOnce } from './test-run.ts'

const CONDITION = '@catalog-p2p/source'
const FLAGS = [`--conditions=${CONDITION}`, '--disable-warning=ExperimentalWarning']
const WORKERS = [
  'core/src/store/fs/read-worker.ts',
  'core/src/transfer/chunks/hash-worker.ts',
  'gateway/src/packuments/worker/packument-worker.ts',
]

/** The same without the bundle: each file as it is. */
export const CATALOG_SOURCES = [...FLAGS, join(repositoryRoot, 'gateway', 'src', 'cli.ts')]

/** What Node is given before the words of a command. */
export async function catalogProgram(): Promise<readonly string[]> {
  return [...FLAGS, join(await madeOnce('catalog', bundle), 'cli.mjs')]
}

async function bundle(folder: string): Promise<void> {
  await symlink(join(repositoryRoot, 'node_modules'), join(folder, 'node_modules'), 'junction')
  const built = await rolldown({
    cwd: repositoryRoot,
    input: ['gateway/src/cli.ts', ...WORKERS],
    platform: 'node',
    tsconfig: false,
    resolve: { conditionNames: [CONDITION, 'node'] },
    external: [/^lz4-napi$/], // native
    plugins: [nativeQuic(), sourcePlaces()],
    logLevel: 'silent',
  })
  try {
    await built.write({
      ...{ dir: folder, format: 'esm', sourcemap: true },
      ...{ entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' },
    })
  } finally {
    await built.close()
  }
}

/** Its JavaScript is bundled, or it would load a second libp2p beside ours; what loads the native code is not. */
function nativeQuic(): Plugin {
  const entry = import.meta.resolve('@chainsafe/libp2p-quic')
  return {
    name: 'native-quic',
    resolveId(id, importer) {
      if (id !== './napi.js' || importer === undefined) return null
      const isOurs = dirname(pathToFileURL(importer).href) === dirname(entry)
      return isOurs ? { id: new URL(id, entry).href, external: true } : null
    },
  }
}

/** Files keep their places; but workers lie beside what starts them. */
function sourcePlaces(): Plugin {
  return {
    name: 'source-places',
    transform(code, id) {
      if (!code.includes('import.meta.') || code.includes('workerUrl(')) return null
      return code
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href))
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(id)))
    },
  }
}
