/** What the file of a swarm may share of this machine: nothing that this machine's own settings keep private. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSwarmKey } from '@catalog-p2p/core'
import { expect, onTestFinished, test } from 'vitest'
import { createPrivateNames } from '../../artifacts/visibility/privacy.ts'
import { parseGatewayOptions } from '../../options.ts'
import { writeSwarmFile } from '../../swarm/swarm-text.ts'
import { withSwarm } from './configured-swarm.ts'

test('no line of a swarm file shares what is private here, unless it is listed here too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-swarm-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'swarm.txt')
  const shareScopes = ['@corp', '@open', '@mine/part', '@wished']
  await writeSwarmFile(path, {
    name: 'x',
    keys: [{ key: createSwarmKey() }],
    shareScopes,
    bootstrap: [],
  })
  const warned: unknown[] = []
  const nothing = (): void => undefined
  const log = {
    ...{ debug: nothing, info: nothing, error: nothing },
    warn: (event: string, facts?: object) => void warned.push([event, facts]),
  }
  const privateScopes = ['@Corp', '@open/secret', '@mine', '@wished', '@ope']
  const gateway = { privateScopes, shareScopes: ['@wished'], trustPath: join(folder, 'trust.txt') }
  const { config } = withSwarm(
    {
      ...{ node: {}, gateway, swarm: { kind: 'file', path }, storePath: folder, peersOnly: false },
      ...{ logLevel: undefined, json: false, given: new Map(), file: undefined, warnings: [] },
    },
    log,
  )
  expect(config.gateway.shareScopes).toEqual(['@wished', '@open'])
  const scopes = ['@corp', '@mine/part']
  expect(warned).toEqual([['swarm.not-shared', expect.objectContaining({ scopes })]])
  const isPrivate = createPrivateNames(parseGatewayOptions(config.gateway))
  const names = ['@corp/x', '@open/x', '@open/secret', '@mine/part', '@wished/x']
  expect(names.filter(isPrivate)).toEqual(['@corp/x', '@open/secret', '@mine/part'])
})
