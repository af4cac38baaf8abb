/** A program that asks HTTP servers on the loopback of the machine where it runs, as it is told over its standard input. */
import { serveLines, type Json } from './json-lines.ts'

const DEADLINE_MS = 20_000

await serveLines({
  async get(url) {
    const response = await fetch(url, { signal: AbortSignal.timeout(DEADLINE_MS) })
    return (await response.json()) as Json
  },
})
