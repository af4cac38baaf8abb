/** `yarn config --json` of Yarn 2 and newer: one line of JSON per setting. Yarn 1 is not asked (yarn-classic-mirror.ts). */
import type { ClientQuestion } from '../client-question.ts'

export const yarnQuestion: ClientQuestion = {
  words: (handedOn) => [...handedOn, 'config', '--json'],
  read: (text) =>
    new Map(
      text
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as { key?: unknown; effective?: unknown })
        .map(({ key, effective }) => [String(key), effective]),
    ),
  registryKey: 'npmRegistryServer',
}
