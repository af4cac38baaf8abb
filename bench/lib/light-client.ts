/**
 * A package manager that does nothing but fetch: `node light-client.ts REQUEST RESULT`, with the registry that npm
 * would ask. What it takes from its first request to its last byte is an install's transfer, without unpacking, linking and caches.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { replayRequests, type ReplayRequest } from './replay-requests.ts'

const [, , requestFile = '', resultFile = ''] = process.argv
const request = JSON.parse(readFileSync(requestFile, 'utf8')) as Omit<ReplayRequest, 'registry'>
const result = await replayRequests({ ...request, registry: registryOf(process.env) })
writeFileSync(resultFile, JSON.stringify(result))

/** From where npm would take it: `catalog exec` names it in npm's global file, as it does for any command that is no client. */
function registryOf({ npm_config_registry, npm_config_globalconfig }: NodeJS.ProcessEnv): string {
  const file = npm_config_globalconfig && readFileSync(npm_config_globalconfig, 'utf8')
  const named = npm_config_registry ?? /^registry\s*=\s*(\S+)/m.exec(file ?? '')?.[1]
  if (named === undefined) throw new Error('no registry is named')
  return named.replace(/\/$/, '')
}
