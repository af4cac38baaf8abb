/** The pages that strangers read: what they link to is there, and every `catalog` line in them is one that catalog takes. */
import { posix } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseDocument } from 'yaml'
import { parseCatalog, parseWords } from './support/catalog-parser.ts'
import { catalogLinesOf } from './support/example-files.ts'
import { readText, trackedFiles } from './support/source-tree.ts'

const files = trackedFiles()
const pages = files.filter((path) => path.endsWith('.md') && !path.startsWith('test/'))
/** Whose lines are to be copied: no placeholders among their values, and what stands in a sentence counts, too. */
const TO_COPY = new Set(['docs/cases.md', 'docs/why.md'])

describe('links', () => {
  test.each(pages)('%s', (page) => {
    expect(linksOf(page).filter((link) => !leadsSomewhere(page, link))).toEqual([])
  })

  test('were found', () => {
    expect(pages.flatMap(linksOf).length).toBeGreaterThan(100)
  })
})

test('every benchmark is run by its name and stands in bench/README.md; pages name no others', () => {
  const names = files.flatMap((path) => /^bench\/([a-z-]+)\.ts$/.exec(path)?.[1] ?? [])
  const known = names.filter((name) => name !== 'run')
  const [readme, program] = [readText('bench/README.md'), readText('bench/run.ts')]
  const isListed = (name: string): boolean =>
    readme.includes(`\`${name}.ts\``) && program.includes(`'./${name}.ts'`)
  expect(known.filter((name) => !isListed(name))).toEqual([])
  const named = pages.flatMap((page) =>
    [...readText(page).matchAll(/npm run bench -- ([a-z-]+)/g)].map(([, name = '']) => name),
  )
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((name) => name !== 'results' && !known.includes(name))).toEqual([])
})

test('what docs/cases.md shows of YAML and JSON is that', () => {
  const blocks = [...readText('docs/cases.md').matchAll(/^```(yaml|json)\n([\s\S]*?)^```/gm)]
  expect(blocks.length).toBeGreaterThan(3)
  for (const [, kind, text = ''] of blocks) {
    if (kind === 'json') expect(JSON.parse(text)).toBeTypeOf('object')
    else expect(parseDocument(text).errors, text).toEqual([])
  }
})

describe('command lines', () => {
  const lines = pages.flatMap((page) => {
    const isPage = TO_COPY.has(page)
    const found = catalogLinesOf(isPage ? readText(page) : fencedIn(page), { isPage })
    return found.map((words) => ({ page, words, line: words.join(' ') }))
  })

  test('were found', () => {
    const commands = new Set(lines.map(({ words }) => words[0]))
    for (const each of ['start', 'use', 'exec', 'trust', 'swarm']) expect(commands).toContain(each)
  })

  test.each(lines)('$page: catalog $line', async ({ page, words }) => {
    const parse = TO_COPY.has(page) ? parseCatalog : parseWords
    await expect(parse(words)).resolves.toBeDefined()
  })
})

/** Relative ones: what is elsewhere is not ours to look after, nor in reach of a test. */
function linksOf(page: string): string[] {
  const prose = readText(page).replace(/^ *```[\s\S]*?^ *```/gm, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', heading] = link.split('#')
  const target = path === '' ? page : posix.join(posix.dirname(page), path)
  if (!files.some((file) => file === target || file.startsWith(`${target.replace(/\/$/, '')}/`))) {
    return false
  }
  return heading === undefined || !target.endsWith('.md') || headingsOf(target).has(heading)
}

/** As the sites that show repositories name headings in addresses. */
function headingsOf(page: string): Set<string> {
  const prose = readText(page).replace(/^ *```[\s\S]*?^ *```/gm, '')
  const headings = [...prose.matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => text)
  return new Set(
    headings.map((text) =>
      text
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  )
}

function fencedIn(page: string): string {
  return [...readText(page).matchAll(/^ *```(?:sh|yaml|dockerfile)\n([\s\S]*?)^ *```/gm)]
    .map(([, block = '']) => block)
    .join('\n')
}
