/** The licences of what a bundle holds and is not ours: it travels in our files, so they travel with them. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

export interface Notice {
  /** Of the package, as its folder has it. */
  readonly name: string
  readonly text: string
}

/** Of the packages that these modules are from, by name. @throws Error when one of them has no licence to include */
export async function noticesOf(moduleIds: Iterable<string>): Promise<Notice[]> {
  const inModules = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/
  const folders = new Set([...moduleIds].flatMap((id) => inModules.exec(id)?.[1] ?? []))
  const notices = await Promise.all([...folders].sort().map(noticeIn))
  // The same package may lie in several places.
  return [...new Map(notices.map((notice) => [notice.name + notice.text, notice])).values()]
}

async function noticeIn(folder: string): Promise<Notice> {
  const licences = (await readdir(folder)).filter((name) => /^(?:un)?licen[sc]e/i.test(name)).sort()
  const texts = await Promise.all(licences.map((name) => readFile(join(folder, name), 'utf8')))
  const text = texts.map((each) => each.trim()).join('\n\n') || (await saidLicence(folder))
  const scope = basename(dirname(folder))
  const name = basename(folder)
  return { name: scope.startsWith('@') ? `${scope}/${name}` : name, text }
}

/** Some bring no text of it. */
async function saidLicence(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'package.json'), 'utf8')
  const { license, author } = JSON.parse(text) as { license?: unknown; author?: unknown }
  if (typeof license !== 'string') throw new Error(`${folder} has no licence to include`)
  return typeof author === 'string' ? `${license}, by ${author}` : license
}
