/** What the scopes that the user has marked say of what may be shared. */
import { expect, test } from 'vitest'
import { createFakeNode } from '../../../test/support/fake-node.ts'
import { makePackage } from '../../../test/support/fixture-packages.ts'
import { createMarkOf } from '../artifacts/visibility/privacy.ts'
import { runShareAction } from './share-actions.ts'

test('of a private scope nothing is shared, unless all members of the swarm may have it', async () => {
  const shared: string[] = []
  const deps = {
    node: createFakeNode(),
    shares: {
      add: ({ name }: { name: string }) => void shared.push(name),
      list: () => [],
      remove() {},
    },
    trust: { originOf: () => ({ kind: 'registry' }) as const },
    registries: { homeOf: () => ({ isPublic: false }) },
  }
  const markOf = createMarkOf({ privateScopes: ['@acme', '@corp'], shareScopes: ['@corp'] })
  const add = async (name: string): Promise<unknown> => {
    const body = { tarball: makePackage(name, '1.0.0').tarball.toString('base64') }
    const { signal } = new AbortController()
    return await runShareAction(deps, { markOf }, { action: 'add', body, signal })
  }
  await expect(add('@acme/tool')).rejects.toThrow('among the private scopes')
  await expect(add('unmarked')).rejects.toThrow('is not a public one')
  await add('@corp/tool')
  expect(shared).toEqual(['@corp/tool'])
})
