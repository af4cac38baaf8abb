/**
 * A machine for the examples' shell lines: `catalog` from the sources here and a real npm on the PATH, everything of the user's
 * in a folder of the test's, peers and registry on loopback.
 */
import { existsSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { catalogProgram } from './catalog-program.ts'
import { execute, isolatedEnvironment, type ClientResult } from './client.ts'
import { clientCommand, findClient, whyUnavailable } from './clients.ts'
import { freePort } from './machines/free-port.ts'

export interface ExampleShell {
  readonly home: string
  /** Further variables of every line. */
  readonly env: Record<string, string>
  /** Runs lines of bash in a folder; fails where one of them does. */
  bash(lines: string, cwd: string, env?: Readonly<Record<string, string>>): Promise<ClientResult>
  /** A program on the PATH, as a shell script. */
  program(name: string, script: string): Promise<void>
}

const NPM = findClient('npm-12')

/** Why the examples can't be run here; undefined when they can. */
export function whyNoExamples(): string | undefined {
  if (process.platform === 'win32') return 'the examples are shell scripts'
  return whyUnavailable(NPM)
}

/** `registry`: what npm is configured with; no trailing slash. `hasCatalog: false`: nor is one anywhere else on the PATH. */
export async function exampleShell(
  home: string,
  registry: string,
  { hasCatalog = true }: { hasCatalog?: boolean } = {},
): Promise<ExampleShell> {
  const bin = join(home, 'bin')
  await mkdir(bin)
  await mkdir(join(home, 'tmp'))
  const isolated = isolatedEnvironment(home)
  for (const [path, content] of Object.entries(NPM.files(registry))) {
    await writeFile(join(home, path), content)
  }
  const env: Record<string, string> = {
    ...isolated,
    ...NPM.variables(home),
    PATH: [bin, hasCatalog ? isolated.PATH : withoutCatalog(isolated.PATH)].join(delimiter),
    // Meets nobody but whom it is told of, and no daemon of whoever runs the tests.
    ...{ CATALOG_LOOPBACK_ONLY: 'true', CATALOG_MDNS: 'false', CATALOG_DHT: 'false' },
    ...{ CATALOG_UPNP: 'false', CATALOG_NETWORK_PORT: '0' },
    CATALOG_PORT: String(await freePort()),
    // As npm's own is.
    CATALOG_PUBLIC_REGISTRY: `${registry}/`,
  }
  const shell: ExampleShell = {
    ...{ home, env },
    bash: (lines, cwd, more = {}) =>
      execute('bash', ['-euo', 'pipefail', '-c', lines], {
        ...{ cwd, timeoutMs: 120_000, env: { ...env, ...more } },
      }),
    async program(name, script) {
      const path = join(bin, name)
      await writeFile(path, `#!/bin/sh\n${script}\n`)
      await chmod(path, 0o755)
    },
  }
  if (hasCatalog) {
    const catalog = [process.execPath, ...(await catalogProgram())]
    await shell.program('catalog', `exec ${quoted(catalog)} "$@"`)
  }
  await shell.program('npm', `exec ${quoted(clientCommand(NPM))} "$@"`)
  return shell
}

function withoutCatalog(path = ''): string {
  const folders = path.split(delimiter)
  return folders.filter((folder) => !existsSync(join(folder, 'catalog'))).join(delimiter)
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
}
