/**
 * Where a command's packages came from, as numbers, as a table, and as Markdown. The numbers are the difference between two
 * states of the gateway's counters; with a daemon they include what other programs did meanwhile, and the report says so.
 * Counts bytes that the registry did not have to send, never seconds saved: docs/ci.md says why.
 */
import type { ArtifactSource } from '@catalog-p2p/core'
import { redactUrl } from '../../http/redact-url.ts'
import { formatBytes, formatMs, formatTable } from '../shell/format.ts'
import type { ExecStatus } from './exec-gateway.ts'

type Amount = { readonly artifacts: number; readonly bytes: number }

export interface ExecReport {
  /** The first words of the command; later arguments may hold secrets. */
  readonly command: string
  readonly exitCode: number
  readonly durationMs: number
  /** own: a gateway of exec's; daemon: one that ran before; none: the command ran without, and `problem` says why. */
  readonly gateway: 'own' | 'daemon' | 'none'
  readonly problem?: string
  /** What the user can do about the problem, if anything. */
  readonly next?: string
  /** A client inside the command that was not redirected, and why. */
  readonly note?: string
  /** What the user must know of what the command wrote. */
  readonly warning?: string
  readonly upstream?: string | null
  /** Nothing that the store held before was believed but artifacts, by their hash. */
  readonly frozenTrust?: true
  /** Artifacts that the command was given, by where they came from. */
  readonly sources?: Readonly<Record<ArtifactSource, Amount>>
  readonly metadata?: { readonly fresh: number; readonly fetched: number; readonly stale: number }
  /** Requests to the registry, and bytes from it. */
  readonly registry?: { readonly requests: number; readonly bytes: number }
  /** Uploads to peers, while the command ran and while seeding. */
  readonly uploaded?: Amount
  readonly peers?: number
  readonly seededMs?: number
}

export interface Outcome {
  readonly command: string
  readonly exitCode: number
  readonly durationMs: number
  readonly gateway: 'own' | 'daemon'
  readonly note?: string
}

export function reportOf(outcome: Outcome, before: ExecStatus, after: ExecStatus): ExecReport {
  const minus = (a: Amount, b: Amount): Amount => ({
    artifacts: a.artifacts - b.artifacts,
    bytes: a.bytes - b.bytes,
  })
  const [was, is] = [before.gateway, after.gateway]
  const source = (name: ArtifactSource): Amount => minus(is.tarballs[name], was.tarballs[name])
  return {
    ...outcome,
    upstream: is.upstream,
    ...(is.frozenTrust && { frozenTrust: true }),
    sources: { peer: source('peer'), origin: source('origin'), store: source('store') },
    metadata: {
      fresh: is.packuments.fresh - was.packuments.fresh,
      fetched: is.packuments.fetched - was.packuments.fetched,
      stale: is.packuments.stale - was.packuments.stale,
    },
    registry: {
      requests: is.upstreamRequests - was.upstreamRequests,
      bytes: is.upstreamBytes - was.upstreamBytes,
    },
    uploaded: minus(after.node.uploaded, before.node.uploaded),
    peers: after.node.peers,
  }
}

const WORDS: Readonly<Record<ArtifactSource, string>> = {
  peer: 'peers',
  origin: 'registry',
  store: 'own store',
}
const ORDER = ['peer', 'origin', 'store'] as const

/** Lines for people; the first one is the title. */
export function reportLines(report: ExecReport): string[] {
  const { sources } = report
  if (sources === undefined) return [`without peers: ${report.problem ?? 'no gateway'}`]
  const rows = ORDER.map((name) => cells(WORDS[name], sources[name]))
  const columns = [
    { title: 'packages from' },
    { title: 'artifacts', align: 'right' },
    { title: 'bytes', align: 'right' },
  ] as const
  return [...formatTable(columns, rows), ...facts(report)]
}

/** A section for a job summary. */
export function reportMarkdown(report: ExecReport): string {
  const { sources, command, exitCode, durationMs } = report
  const title = `### catalog exec: ${code(command)}`
  const ended = `Exit code ${exitCode} after ${formatMs(durationMs)}.`
  if (sources === undefined) {
    const { problem = 'no gateway', next } = report
    const step = next === undefined ? '' : ` Next step: ${plain(next)}.`
    return `${title}\n\n${ended} It ran without peers: ${plain(problem)}.${step}\n\n`
  }
  const notes = [report.note, report.warning].flatMap((text) => (text ? [plain(text)] : []))
  const rows = ORDER.map((name) => `| ${cells(WORDS[name], sources[name]).join(' | ')} |`)
  const table = ['| packages from | artifacts | bytes |', '| --- | ---: | ---: |', ...rows]
  return `${[title, '', ...table, '', `${ended} ${[...facts(report), ...notes].join('. ')}.`, ''].join('\n')}\n`
}

function facts(report: ExecReport): string[] {
  const { sources, metadata, registry, uploaded, peers = 0, gateway } = report
  const lines = []
  if (metadata !== undefined && registry !== undefined) {
    const { fresh, fetched, stale } = metadata
    const documents = `metadata: ${fetched} from the registry, ${fresh + stale} from the cache`
    lines.push(documents, `the registry sent ${formatBytes(registry.bytes)} in all`)
  }
  if (sources !== undefined) lines.push(...spared(sources))
  if (uploaded !== undefined && uploaded.artifacts > 0) {
    lines.push(`given to peers: ${uploaded.artifacts} (${formatBytes(uploaded.bytes)})`)
  }
  if (report.frozenTrust === true) {
    lines.push('frozen trust: of the store only packages counted, each by its hash')
  }
  lines.push(peers === 1 ? '1 peer' : `${peers} peers`)
  if (gateway === 'daemon') lines.push('counted at the daemon, so with whatever else used it')
  return lines
}

/** Only bytes: seconds saved are not measured. */
function spared({ peer, store, origin }: NonNullable<ExecReport['sources']>): string[] {
  const bytes = peer.bytes + store.bytes
  if (bytes === 0) return []
  const percent = Math.floor((100 * bytes) / (bytes + origin.bytes))
  return [`${formatBytes(bytes)} of packages did not have to come from it (${percent} %)`]
}

function cells(name: string, { artifacts, bytes }: Amount): [string, string, string] {
  return [name, String(artifacts), formatBytes(bytes)]
}

/** Foreign text (an error, a registry's URL) for a page that renders Markdown: one line, without markup and HTML. */
function plain(text: string): string {
  const flat = text.replaceAll(/\s+/g, ' ').replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return flat.replaceAll(/[\\`*_[\]()#|~!>]/g, (mark) => `\\${mark}`)
}

/** A problem as it may be shown: URLs in it may hold a user, or a token. */
export function shownProblem(text: string): string {
  return text.replaceAll(/\b[a-z][a-z+.-]*:\/\/[^\s"'<>]+/gi, (url) =>
    /^https?:/i.test(url) ? redactUrl(url) : url.replace(/\/\/[^/@]*@/, '//'),
  )
}

/** As inline code in Markdown: backticks in the text cannot end it. */
function code(text: string): string {
  const flat = text.replaceAll(/\s+/g, ' ')
  const longest = Math.max(0, ...[...flat.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  return longest === 0 ? `${fence}${flat}${fence}` : `${fence} ${flat} ${fence}`
}

/** The program and its first words: `npm ci …`. Words after the first option may be secrets. */
export function shownCommand(command: readonly string[]): string {
  const option = command.findIndex((word, index) => index > 0 && /^-|=|:\/\//.test(word))
  const shown = command.slice(0, Math.min(option === -1 ? command.length : option, 4))
  const program = shown[0]?.split(/[/\\]/).at(-1) ?? ''
  return [program, ...shown.slice(1), ...(shown.length < command.length ? ['…'] : [])].join(' ')
}
