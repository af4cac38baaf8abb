/** A package's metadata as the registry behind a gateway wrote it, asked of that gateway, which asks the registry if need be. */
import { request } from 'undici'
import { AS_UPSTREAM } from '../../http/as-upstream.ts'

const MAX_LENGTH = 32 * 1024 * 1024

/** As text; undefined when there is none. Rejects when the gateway fails, or `signal` ends it. */
export async function registryDocument(
  gateway: string,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const url = `${gateway.replace(/\/$/, '')}${AS_UPSTREAM}/${encodeURIComponent(name)}`
  const { statusCode, body } = await request(url, {
    ...{ signal, headers: { accept: 'application/vnd.npm.install-v1+json' } },
  })
  let text = ''
  for await (const chunk of body.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk
    if (text.length > MAX_LENGTH) return undefined
  }
  return statusCode === 200 ? text : undefined
}
