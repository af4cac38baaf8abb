/** `pnpm config list --json`: settings as pnpm itself reads them here. */
import { settingsInObject, type ClientQuestion } from '../client-question.ts'

export const pnpmQuestion: ClientQuestion = {
  words: (handedOn) => [...handedOn, 'config', 'list', '--json'],
  read: settingsInObject,
  registryKey: 'registry',
}
