/** `catalog token`: the token for publishing, and nothing else, so that it can stand in `$(…)`. Makes one if there is none. */
import { defaultConfigFolder } from '../../config/config-file.ts'
import { openPublishToken, publishTokenPath } from '../../publishing/publish-token.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'

export async function tokenCommand(invocation: Invocation): Promise<number> {
  const { json } = loadConfig(invocation)
  const token = openPublishToken(publishTokenPath(defaultConfigFolder()))
  invocation.terminal.print(json ? JSON.stringify({ token }) : token)
  return EXIT.ok
}
