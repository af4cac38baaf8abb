/** Reading the examples: their text, and every command line of `catalog` that stands in them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './source-tree.ts'

export const EXAMPLES = join(repositoryRoot, 'examples')

export function exampleText(path: string): string {
  return readFileSync(join(EXAMPLES, path), 'utf8')
}

/** Paths in the folders of examples; the programs beside them are not among them. */
export function exampleFiles(): string[] {
  return readdirSync(EXAMPLES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'demo')
    .flatMap(({ name }) => readdirSync(join(EXAMPLES, name)).map((file) => `${name}/${file}`))
}

/** Lines of shell, and words in backquotes in the text, that run `catalog`: each without `catalog` itself. */
export function catalogLines(path: string): string[][] {
  return catalogLinesOf(exampleText(path), { isPage: path.endsWith('.md') })
}

/** The same of any text; only in a page do backquotes count. */
export function catalogLinesOf(text: string, { isPage }: { isPage: boolean }): string[][] {
  const inProse = isPage
    ? [...text.matchAll(/`(catalog [a-z]+ [^`]*|catalog (?:status|peers|doctor|start))`/g)].map(
        ([, line = '']) => line,
      )
    : []
  const asLines = text.split('\n').map((line) => line.trim().replace(/^(- |run: |ExecStart=)+/, ''))
  return [...asLines, ...inProse]
    .flatMap((line) => line.split(/ && | \|\| /))
    .map((line) => line.replace(/^(docker compose exec \S+ |npx |\/usr\/local\/bin\/)/, ''))
    .filter((line) => /^catalog [a-z]/.test(line))
    .map((line) => shellWords(line.replace(/ > \S+/, '')).slice(1)) // what a file gets is no word of the command
}

/** As a shell splits them, for what examples need: quotes, and comments or a file for the output at the end. */
export function shellWords(line: string): string[] {
  const words: string[] = []
  for (const [, double, single, bare] of line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)) {
    if (bare?.startsWith('#') === true || bare === '>') break
    words.push(double ?? single ?? bare ?? '')
  }
  return words
}
