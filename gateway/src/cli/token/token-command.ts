/** `catalog token`: one of the gateway's own tokens, and nothing else, so that it can stand in `$(…)`. Makes one if there is none. */
import { defaultConfigFolder } from '../../config/config-file.ts'
import { openOwnToken, ownTokenPath, type OwnTokenUse } from '../../publishing/own-token.ts'
import { EXIT } from '../shell/exit-codes.ts'
import { loadConfig, type Invocation } from '../shell/invocation.ts'

export async function tokenCommand(invocation: Invocation, use: OwnTokenUse): Promise<number> {
  const { json } = loadConfig(invocation)
  const token = openOwnToken(ownTokenPath(defaultConfigFolder(), use))
  invocation.terminal.print(json ? JSON.stringify({ token }) : token)
  return EXIT.ok
}
