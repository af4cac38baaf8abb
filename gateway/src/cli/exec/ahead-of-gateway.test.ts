import { expect, test } from 'vitest'
import { readClientCommand } from '../../clients/client-command.ts'
import { plainPlan } from '../../clients/redirect.ts'
import { npmConfigFrom } from '../../upstream/npmrc.ts'
import { mayGoAhead } from './ahead-of-gateway.ts'

const OWN = 'https://registry.example/'

interface Case {
  readonly registry?: string
  readonly npm?: Record<string, string>
  readonly peersOnly?: boolean
  readonly frozenTrust?: boolean
}

function goes(command: string, given: Case = {}): boolean {
  const { registry = OWN, npm = {}, peersOnly = false, frozenTrust = false } = given
  return mayGoAhead(
    { config: { peersOnly }, frozenTrust },
    {
      client: readClientCommand(command.split(' '), '/project'),
      plan: plainPlan(registry, () => ({})),
      own: {
        ...{ registry: OWN, settings: new Map(), npm: npmConfigFrom(npm) },
        hasUnscopedCredentials: false,
      },
    },
  )
}

test.each(['npm ci', 'npm install --no-audit', 'node npm-cli.js i fx', 'npm ci --registry=x'])(
  '%s goes ahead of its gateway',
  (command) => expect(goes(command)).toBe(true),
)

test.each(['./ci.sh', 'npm run build', 'npx fx', 'pnpm install', 'npm'])(
  '%s does not: it may bring credentials on its way, or can’t be sent on',
  (command) => expect(goes(command)).toBe(false),
)

test.each([
  ...['npm ci --userconfig x', 'npm ci --userc=x', 'npm ci -globalconfig x'],
  ...['npm ci --//registry.example/:_authToken=hush', 'npm ci --_auth=hush'],
])('%s does not: its credentials are nowhere else', (command) => expect(goes(command)).toBe(false))

test.each<Case>([
  { registry: 'https://mirror.example/' },
  { npm: { '//registry.example/:_authToken': 'hush' } },
  { npm: { _auth: 'hush' } },
  { peersOnly: true },
  { frozenTrust: true },
])('nor does an install with %o', (given) => expect(goes('npm ci', given)).toBe(false))
