/** `catalog` from a checkout works where it is called, as an installed one does: a project lies elsewhere. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createWorkspace, execute, isolatedEnvironment } from './support/client.ts'
import { repositoryRoot } from './support/source-tree.ts'

const bootstrap = join(repositoryRoot, 'bootstrap.mjs')

test.each(['node bootstrap.mjs catalog', 'npm run catalog'])(
  '%s: from another folder',
  async (way) => {
    await using workspace = await createWorkspace()
    const project = await workspace.folder('project')
    await writeFile(join(project, 'here.json'), JSON.stringify({ port: 4999 }))
    const env = isolatedEnvironment(await workspace.folder('home'))
    const byNpm = { INIT_CWD: project, npm_package_json: join(repositoryRoot, 'package.json') }
    const { exitCode, output } = await execute(
      process.execPath,
      [bootstrap, 'catalog', 'config', '--config', 'here.json', '--json'],
      way.startsWith('npm')
        ? { cwd: repositoryRoot, env: { ...env, ...byNpm }, timeoutMs: 30_000 }
        : { cwd: project, env, timeoutMs: 30_000 },
    )
    expect(exitCode, output).toBe(0)
    expect(output).toContain('4999')
  },
)
