/** What the stories of two pages share: machines of one network, projects to work in, and the lines that a page has. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createWorkspace } from '../client.ts'
import { createLan } from './namespaces.ts'
import { readText } from '../source-tree.ts'
import { storyMachine, type StoryMachine } from './story-machine.ts'

export type { StoryMachine } from './story-machine.ts'

export interface Story extends AsyncDisposable {
  /** One for each name, with nothing on it yet. */
  machines(): Promise<readonly StoryMachine[]>
  folder(name: string): Promise<string>
  /** A folder with this package.json and a module, and a file of that many bytes if that is said. */
  project(name: string, manifest: object, data?: Buffer): Promise<string>
}

export async function createStory(names: readonly string[]): Promise<Story> {
  const workspace = await createWorkspace()
  const lan = await createLan(names)
  const all: StoryMachine[] = []
  return {
    async machines() {
      for (const place of lan.machines) all.push(await storyMachine(place, workspace))
      return all
    },
    folder: (name) => workspace.folder(name),
    async project(name, manifest, data) {
      const cwd = await workspace.folder(name)
      await mkdir(cwd, { recursive: true })
      await writeFile(join(cwd, 'package.json'), JSON.stringify(manifest))
      await writeFile(join(cwd, 'index.js'), 'module.exports = 42\n')
      if (data !== undefined) await writeFile(join(cwd, 'data.bin'), data)
      return cwd
    },
    async [Symbol.asyncDispose]() {
      for (const machine of all) await machine[Symbol.asyncDispose]()
      await lan[Symbol.asyncDispose]()
      await workspace[Symbol.asyncDispose]()
    },
  }
}

/** The lines of a page that its reader is to type. */
export function typedOn(page: string) {
  const text = readText(page)
  return {
    /** Blocks of shell lines under a heading, of any level. */
    blocks(this: void, heading: string): readonly string[] {
      const section = text.split(/^#+ /m).find((each) => each.startsWith(`${heading}\n`)) ?? ''
      const found = [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = '']) => block)
      if (found.length === 0) throw new Error(`${page} has no lines to type under "${heading}"`)
      return found
    },
    /** The line itself, if it stands somewhere on the page. */
    line(this: void, line: string): string {
      if (text.includes(`\`${line}\``)) return line
      throw new Error(`${page} does not say: ${line}`)
    },
  }
}

export function fingerprintIn(text: string): string {
  const [found] = /(?:\w{4}-){13}\w{4}/.exec(text) ?? []
  if (found === undefined) throw new Error(`no fingerprint in: ${text}`)
  return found
}

export async function installedVersion(cwd: string, name: string): Promise<string> {
  const path = join(cwd, 'node_modules', name, 'package.json')
  return (JSON.parse(await readFile(path, 'utf8')) as { version: string }).version
}
