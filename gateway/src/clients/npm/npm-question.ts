/** `npm config ls --long --json`: every setting as npm itself reads it here, but for secrets. */
import { settingsInObject, type ClientQuestion } from '../client-question.ts'

export const npmQuestion: ClientQuestion = {
  words: (handedOn) => ['config', 'ls', ...handedOn, '--long', '--json', '--loglevel=error'],
  read: settingsInObject,
  registryKey: 'registry',
}
