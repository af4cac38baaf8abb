/** `catalog exec` in a private swarm that a CI's secret names: it meets members, and the command never sees the secret. */
import { expect, test } from 'vitest'
import { createNode, createSwarmKey, digestOf, swarmFileToText } from '@catalog-p2p/core'
import { createWorkspace } from '../support/client.ts'
import { catalogExec } from '../support/exec-run.ts'
import { QUIC_LOOPBACK } from '../support/hostile-peer.ts'

test('the secret lets exec in, and stays with it', { tags: ['long'] }, async () => {
  await using workspace = await createWorkspace()
  const keys = [{ key: createSwarmKey() }]
  const swarm = { state: () => ({ name: 'x', keys }) }
  await using member = await createNode({ network: QUIC_LOOPBACK }, { swarm })
  const digest = await member.put(Buffer.from('of the swarm'), { visibility: 'public' })
  expect(digest).toBe(digestOf(Buffer.from('of the swarm')))
  const home = await workspace.folder('home')
  const bootstrap = member.stats().addresses
  const secret = swarmFileToText({ name: 'x', keys, shareScopes: [], bootstrap })
  const script = 'console.log(`the command sees ${process.env.CATALOG_SWARM}`)'
  const run = { cwd: home, home, options: ['--peers-only', '--network.port=0'] }
  const env = { CATALOG_SWARM: secret, CI: '' }
  const result = await catalogExec([process.execPath, '-e', script], { ...run, env })
  expect(result.exitCode).toBe(0)
  expect(result.output).toContain('the command sees undefined')
  expect(result.output).toContain('catalog: 1 peer\n')
  const text = /catalog-swarm-1:[\w-]+/.exec(secret)?.[0] ?? ''
  expect(result.output + JSON.stringify(result.report)).not.toContain(text)
})
