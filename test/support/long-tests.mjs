/**
 * For bootstrap.mjs, so plain JavaScript for Node 20: which test files have long tests. Vitest would load every file to look for
 * the tag, which takes minutes, and most have none.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Paths from `root`. A file says so itself, or leaves it to tagsOf of clients.ts. */
export function filesWithLongTests(root, workspaces) {
  const folders = [...workspaces.map((folder) => join(folder, 'src')), 'test']
  const hasLongTests = (path) =>
    /\['long'\]|\btagsOf\(/.test(readFileSync(join(root, path), 'utf8'))
  return folders.flatMap((folder) => testFilesIn(root, folder)).filter(hasLongTests)
}

function testFilesIn(root, folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : testFilesIn(root, path)
    return entry.name.endsWith('.test.ts') ? [path] : []
  })
}
