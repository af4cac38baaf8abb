/** YAML lockfiles: strict parsing with errors that name line and column; no custom tags, no alias bombs. */
import { parseAllDocuments } from 'yaml'
import { LockfileProblem } from './lockfile-problem.ts'

/** Every document of the text (pnpm may write two). @throws LockfileProblem with line and column */
export function parseYaml(text: string): unknown[] {
  const documents = parseAllDocuments(text, {
    schema: 'core',
    prettyErrors: true,
    uniqueKeys: false,
  })
  if (!Array.isArray(documents)) return []
  return documents.map((document) => {
    const problem = document.errors[0]
    if (problem !== undefined) throw new LockfileProblem(`not YAML: ${firstLine(problem.message)}`)
    try {
      return document.toJS({ maxAliasCount: 100 }) as unknown
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      throw new LockfileProblem(`not YAML: ${firstLine(message)}`, { cause: error })
    }
  })
}

function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? '').replace(/:$/, '')
}
