/** HTTP under load by wrk, which takes little of a processor itself: raw requests, one after another on each connection. */
import { execFile, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

export interface Load {
  readonly requests: number
  readonly seconds: number
  readonly bytes: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

interface How {
  readonly connections: number
  readonly seconds: number
  /** Where its script may be written. */
  readonly script: string
}

const execute = promisify(execFile)
const MARK = 'measured:'

/** Why there can be no load, or undefined. */
export function whyNoWrk(): string | undefined {
  return spawnSync('wrk', ['-v']).error === undefined ? undefined : 'wrk is not installed'
}

/** A request as it goes over the wire. */
export function rawRequest(path: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${lines.join('')}\r\n`
}

/** @throws when a request was not answered, or by a status over 399 */
export async function putUnderLoad(
  port: number,
  requests: readonly string[],
  { connections, seconds, script }: How,
): Promise<Load> {
  // Both languages spell such text alike.
  const list = requests.map((each) => JSON.stringify(each)).join(',\n')
  await writeFile(
    script,
    `local requests = {${list}}
local at = 0
request = function() at = at % #requests + 1; return requests[at] end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("${MARK} %d %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    summary.bytes, latency:percentile(50), latency:percentile(99), latency.max,
    e.connect + e.read + e.write + e.status + e.timeout))
end
`,
  )
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script]
  const timeout = (seconds + 30) * 1000
  const { stdout } = await execute('wrk', [...args, `http://127.0.0.1:${port}/`], { timeout })
  const numbers = stdout.slice(stdout.indexOf(MARK) + MARK.length).trim()
  const [count = 0, us = 0, bytes = 0, p50 = 0, p99 = 0, max = 0, errors = NaN] = numbers
    .split(/\s+/)
    .map(Number)
  if (errors !== 0) throw new Error(`wrk saw ${errors} errors:\n${stdout}`)
  const times = { p50Ms: p50 / 1000, p99Ms: p99 / 1000, maxMs: max / 1000 }
  return { requests: count, seconds: us / 1e6, bytes, ...times }
}
