/** `catalog search`: what the daemon, its registry and its peers find, and which of it nobody but peers says exists. */
import type { SearchReport } from '../../search/answer-search.ts'
import type { SearchResult } from '../../search/merge.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { formatTable, plural } from '../shell/format.ts'
import { loadConfig, requireDaemon, type Invocation } from '../shell/invocation.ts'

/** Of a description, in the table. */
const MAX_CHARS = 60

export async function searchCommand(
  invocation: Invocation,
  search: { readonly text: string; readonly limit: number },
): Promise<number> {
  const { terminal, signal } = invocation
  const config = loadConfig(invocation)
  const daemon = await requireDaemon(config)
  const report = await daemon.search(search.text, { limit: search.limit, signal })
  if (config.json) {
    terminal.print(JSON.stringify(report))
    return EXIT.ok
  }
  if (report.results.length === 0) terminal.print('nothing found')
  else for (const line of tableOf(report.results)) terminal.print(line)
  for (const note of notesOf(report)) terminal.note(terminal.paintNote('dim', note))
  return EXIT.ok
}

function tableOf(results: readonly SearchResult[]): string[] {
  const columns = [
    { title: 'NAME' },
    { title: 'VERSION' },
    { title: 'FROM' },
    { title: 'DESCRIPTION' },
  ] as const
  return formatTable(
    columns,
    results.map(({ name, version, source, known, description }) => [
      name,
      version,
      known ? FROM[source] : 'peer, unverified',
      description.length > MAX_CHARS ? `${description.slice(0, MAX_CHARS - 1)}…` : description,
    ]),
  )
}

const FROM: Readonly<Record<SearchResult['source'], string>> = {
  upstream: 'registry',
  local: 'here',
  peer: 'peer',
}

function notesOf({ results, upstream, peers }: SearchReport): string[] {
  const unverified = results.filter(({ known }) => !known).length
  return [
    ...(upstream === 'failed' ? ['the registry did not answer'] : []),
    ...(peers.asked > 0 ? [`${peers.answered} of ${plural(peers.asked, 'peer')} answered`] : []),
    ...(unverified > 0
      ? [`${unverified} unverified: nobody but peers says that there is such a package`]
      : []),
  ]
}
