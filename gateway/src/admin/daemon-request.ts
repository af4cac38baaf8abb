/**
 * One HTTP request to a daemon on this machine, and its answer. Every wait has a deadline and every answer a bound; what is wrong
 * with either becomes an error that says which daemon it was.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { CatalogError } from '@catalog-p2p/core'
import { z } from 'zod'

const MAX_JSON_BYTES = 32 * 1024 * 1024

export interface Question {
  readonly url: string
  readonly path: string
  readonly signal: AbortSignal
  readonly silenceMs: number
  /** Makes it a POST. */
  readonly body?: unknown
  readonly token?: string
}

export async function ask(question: Question): Promise<unknown> {
  const response = await send(question)
  if (response.statusCode !== 200) throw await refusal(question, response)
  return readJson(question, response)
}

export function send(question: Question): Promise<IncomingMessage> {
  const { url, path, signal, silenceMs, body, token } = question
  const headers: Record<string, string> = { accept: 'application/json' }
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (token !== undefined) headers['x-catalog-token'] = token
  return new Promise((resolve, reject) => {
    const req = httpRequest(
      new URL(`-/catalog/${path}`, url),
      // No agent: one question a connection, and nothing that keeps the process alive afterwards.
      { method: body === undefined ? 'GET' : 'POST', headers, signal, agent: false },
      resolve,
    )
    req.setTimeout(silenceMs, () => req.destroy(new Error(`silent for ${silenceMs} ms`)))
    req.once('error', (error) => {
      reject(signal.aborted ? (signal.reason as Error) : brokenOff(question, error))
    })
    req.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

async function readJson(question: Question, response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.byteLength
      if (size > MAX_JSON_BYTES) throw new Error('the answer is too long')
      chunks.push(chunk)
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  } catch (error) {
    question.signal.throwIfAborted()
    throw brokenOff(question, error)
  }
}

export async function refusal(
  question: Question,
  response: IncomingMessage,
): Promise<CatalogError> {
  const body = await readJson(question, response).catch(() => undefined)
  const said = z.object({ error: z.string() }).safeParse(body)
  const words = said.success ? said.data.error : `HTTP ${response.statusCode ?? 0}`
  return new CatalogError('DAEMON_FAILED', `the daemon answered: ${words}`, {
    status: response.statusCode,
  })
}

export function brokenOff({ url, path }: Question, cause: unknown): CatalogError {
  return new CatalogError('DAEMON_FAILED', `no proper answer from the daemon at ${url} (${path})`, {
    cause,
    hint: 'see its log; perhaps it has just been stopped',
  })
}
