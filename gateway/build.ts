/** The gateway as published: compiled once for Node and once for browsers (the dashboard), and the dashboard's style sheet. */
import { spawnSync } from 'node:child_process'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PAGE = join('dashboard', 'page')
const home = import.meta.dirname
const compiler = fileURLToPath(import.meta.resolve('typescript/bin/tsc'))

for (const folder of [home, join(home, 'src', PAGE)]) {
  const args = [compiler, '-p', join(folder, 'tsconfig.build.json')]
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
await copyFile(join(home, 'src', PAGE, 'style.css'), join(home, 'dist', PAGE, 'style.css'))
