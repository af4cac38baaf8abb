/**
 * `catalog bug`: what somebody who looks into a problem asks for first, in one JSON document. Whatever goes in passes
 * redact-report.ts; sends nothing anywhere. A part that cannot be had is replaced by the reason.
 */
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, release, totalmem } from 'node:os'
import { dirname, resolve } from 'node:path'
import { CatalogError, errnoOf } from '@catalog-p2p/core'
import { findDaemon } from '../../admin/daemon-client.ts'
import type { Config } from '../../config/resolve.ts'
import { settingsReport } from '../config/config-command.ts'
import type { Finding } from '../doctor/check.ts'
import { examine } from '../doctor/doctor-command.ts'
import { installedService, serviceDependencies } from '../service/service-command.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { loadConfig, portOf, type Invocation } from '../shell/invocation.ts'
import type { Terminal } from '../shell/terminal.ts'
import { redactLogLine, redactText, redactValue, type Redaction } from './redact-report.ts'

const LOG_LINES = 200
const LOG_TIMEOUT_MS = 10_000
const METRICS_TIMEOUT_MS = 5_000
/** Settings whose values are names of packages. */
const NAMES_IN_SETTINGS = new Set(['private-scope', 'share-scope', 'min-release-age-exclude'])
/** A finding of doctor that names packages. */
const NAMING_CHECK = 'publishers'

export interface BugSources {
  readonly version: string
  examine(invocation: Invocation, config: Config): Promise<readonly Finding[]>
  logLines(terminal: Terminal): Promise<readonly string[]>
  /** Prometheus' text. */
  metrics(config: Config, signal: AbortSignal): Promise<string>
}

export function bugSources(version: string): BugSources {
  return { version, examine, logLines, metrics }
}

export async function bugCommand(
  invocation: Invocation,
  { file, withNames }: { readonly file: string | undefined; readonly withNames: boolean },
  sources: BugSources,
): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const report = await bugReport(invocation, config, sources, withNames)
  const text = JSON.stringify(report, undefined, 2)
  if (file === undefined) terminal.print(text)
  else terminal.print(await write(resolve(terminal.cwd, file), `${text}\n`))
  terminal.note(
    `it has ${Object.keys(report).join(', ')}; no secrets${withNames ? '' : ', no names of packages'}. ` +
      'Read it before you give it away.',
  )
  return EXIT.ok
}

async function bugReport(
  invocation: Invocation,
  config: Config,
  sources: BugSources,
  withNames: boolean,
) {
  const { terminal, signal } = invocation
  const redaction: Redaction = { withNames, home: terminal.home }
  const orWhy = async <T>(part: Promise<T>): Promise<T | string> =>
    part.catch((error: unknown) => redactText(`not to be had: ${String(error)}`, redaction))
  const [doctor, log, metrics] = await Promise.all([
    orWhy(sources.examine(invocation, config).then((all) => findings(all, redaction))),
    orWhy(sources.logLines(terminal).then((lines) => shownLines(lines, redaction))),
    orWhy(sources.metrics(config, signal).then((text) => metricLines(text))),
  ])
  const system = {
    ...{ platform: terminal.platform, release: release(), cpu: process.arch },
    ...{ cores: availableParallelism(), memoryBytes: totalmem() },
  }
  const versions = { catalog: sources.version, node: process.versions.node }
  return { versions, system, settings: settings(config, redaction), doctor, log, metrics }
}

/** What was set; defaults are in docs/options.md. */
function settings(config: Config, redaction: Redaction): Record<string, unknown> {
  const given = settingsReport(config).filter(({ origin }) => origin !== 'default')
  return Object.fromEntries(
    given.map(({ name, value }) => {
      const isNaming = !redaction.withNames && NAMES_IN_SETTINGS.has(name) && Array.isArray(value)
      return [name, isNaming ? `${value.length} of them` : redactValue(value, redaction)]
    }),
  )
}

function findings(all: readonly Finding[], redaction: Redaction): Finding[] {
  return all.map(({ name, verdict, text, next }) => {
    const isNaming = !redaction.withNames && name === NAMING_CHECK && verdict !== 'ok'
    const shown = isNaming ? 'names left out' : redactText(text, redaction)
    return {
      ...{ name, verdict, text: shown },
      ...(next !== undefined && { next: redactText(next, redaction) }),
    }
  })
}

function shownLines(lines: readonly string[], redaction: Redaction): string[] {
  return lines.flatMap((line) => redactLogLine(line, redaction) ?? [])
}

function metricLines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

async function write(path: string, text: string): Promise<string> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
    return path
  } catch (error) {
    const exists = errnoOf(error) === 'EEXIST'
    const why = exists ? 'is there already, and was left as it is' : "can't be written"
    const hint = 'name another file, or none: then it is printed'
    throw new CatalogError('INVALID_OPTIONS', `${path}: ${why}`, { cause: error, hint })
  }
}

async function logLines(terminal: Terminal): Promise<string[]> {
  const service = await installedService(terminal, serviceDependencies())
  if (service === undefined) throw new Error('no service is installed, whose log the system keeps')
  const [program, ...args] = service.log({ lines: LOG_LINES, follow: false })
  const options = { env: { ...terminal.env }, timeout: LOG_TIMEOUT_MS }
  return new Promise((done, fail) => {
    execFile(program, args, options, (error, stdout) => {
      if (error === null) done(stdout.split('\n'))
      else fail(new Error(`${program}: ${error.code ?? 'stopped'}`))
    })
  })
}

async function metrics(config: Config, signal: AbortSignal): Promise<string> {
  const daemon = await findDaemon(config.storePath, portOf(config))
  if (daemon === undefined) throw new Error('no daemon is running')
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(METRICS_TIMEOUT_MS)])
  const response = await fetch(new URL('-/catalog/metrics', daemon.url), { signal: deadline })
  if (!response.ok) throw new Error(`the daemon answered: HTTP ${response.status}`)
  return response.text()
}
