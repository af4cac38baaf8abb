/**
 * What the files of one test run share: a folder, made before the first of them and gone after the last, so
 * that nothing piles up. Node keeps there what it has compiled, for most of the time of a short command is
 * V8 reading the sources that the command before it has read; and what takes long to build is built there once.
 */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const FOLDER = 'CATALOG_TEST_RUN'
const MAKE_DEADLINE_MS = 240_000
const POLL_MS = 100

/** Vitest's global set-up; called for each project, and heeded once. */
export default async function setUp(): Promise<(() => Promise<void>) | undefined> {
  if (process.env[FOLDER] !== undefined) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'catalog-test-run-'))
  process.env[FOLDER] = folder
  process.env.NODE_COMPILE_CACHE = join(folder, 'compiled') // isolatedEnvironment hands it on
  return () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}

/** A folder that `make` fills, for the file that asks first; the others wait for it. Nobody may change what is in it. */
export async function madeOnce(
  name: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(process.env[FOLDER] ?? '', name)
  const outcome = `${folder}.outcome`
  try {
    await mkdir(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const failure = await readWhenThere(outcome)
    if (failure !== '') throw new Error(failure, { cause: error })
    return folder
  }
  const failure = await make(folder).then(
    () => '',
    (error: unknown) => `${name} could not be made: ${String(error)}`,
  )
  await writeFile(`${outcome}.new`, failure)
  await rename(`${outcome}.new`, outcome)
  if (failure !== '') throw new Error(failure)
  return folder
}

async function readWhenThere(file: string): Promise<string> {
  const endsAtMs = performance.now() + MAKE_DEADLINE_MS
  for (;;) {
    const text = await readFile(file, 'utf8').catch(() => undefined)
    if (text !== undefined) return text
    if (performance.now() > endsAtMs) throw new Error(`nobody has written ${file}`)
    await sleep(POLL_MS)
  }
}
