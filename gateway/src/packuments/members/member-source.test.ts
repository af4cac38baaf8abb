/** When the registry is asked beside, or instead of, the machine that asks it for all. */
import { expect, test } from 'vitest'
import { CatalogError } from '@catalog-p2p/core'
import { createFakeNode } from '../../../../test/support/fake-node.ts'
import type { CachedDocument } from '../cached-document.ts'
import type { Received, SourceRequest } from '../packument-source.ts'
import { createMemberSource } from './member-source.ts'
import { createMembers } from './members.ts'

const registry = {
  ...{ url: 'https://registry.example/', origin: 'https://registry.example' },
  ...{ isPublicDefault: false, isPublic: true },
}
const log = { debug() {}, info() {}, warn() {}, error() {} }
const fromRegistry: Received = { status: 'unchanged', lifetimeMs: 1 }

/** Whose answer it was, what the registry was asked with, and what the member is blamed for. */
async function ask(
  answer: (signal: AbortSignal) => Promise<unknown>,
  validators?: SourceRequest['validators'],
) {
  const missed: string[] = []
  const asked: SourceRequest['validators'][] = []
  const node = createFakeNode()
  Object.assign(node.questions, {
    ask: (_: unknown, { signal }: { signal: AbortSignal }) => answer(signal),
  })
  const isMember = (): boolean => true
  const onMissed = (_: string, why: string): void => void missed.push(why)
  Object.assign(node.fleet.metadata, { isMember, missed: onMissed })
  const source = createMemberSource({
    ...{ node, log, heard: () => undefined },
    registry: {
      by: 'registry',
      fetch: async (request) => (asked.push(request.validators), fromRegistry),
    },
  })
  const received = await source.fetch({
    ...{ registry, name: 'fx', kind: 'full', validators, credentialsAt: () => undefined },
    ...{ retries: undefined, delegate: 'member', signal: AbortSignal.timeout(20_000) },
  })
  return { isRegistrys: received === fromRegistry, asked, missed }
}

const hanging = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
const failing = (code: 'NOT_FOUND' | 'PEER_REFUSED') => () =>
  Promise.reject(new CatalogError(code, 'no'))

test('a member that answers spares the registry', async () => {
  const answer = async (): Promise<unknown> => ({ status: 'unchanged', lifetimeMs: 1 })
  const known = { etag: undefined, lastModified: undefined, hash: 'h' }
  expect(await ask(answer, known)).toEqual({ isRegistrys: false, asked: [], missed: [] })
})

test.each([
  ['is silent', hanging, ['silent']],
  ['refuses', failing('PEER_REFUSED'), ['refused']],
  ['has got none', failing('NOT_FOUND'), []],
  ['gives none', async () => ({ status: 'failed' }), ['failed']],
  ['confirms what was not named', async () => ({ status: 'unchanged', lifetimeMs: 1 }), ['failed']],
])('where a member %s the registry is asked', async (_, answer, missed) => {
  expect(await ask(answer)).toEqual({ isRegistrys: true, asked: [undefined], missed })
})

test('the registry confirms no document of a member: its tag may be of another text', async () => {
  const known = { etag: '"1"', lastModified: undefined, hash: 'h' }
  const { asked } = await ask(failing('NOT_FOUND'), { ...known, member: 'another' })
  expect(asked).toEqual([undefined])
  expect((await ask(failing('NOT_FOUND'), known)).asked).toEqual([known])
})

test('no member is asked for what is private, changed here, doubted, or wanted from the registry itself', () => {
  const node = createFakeNode()
  Object.assign(node.fleet.metadata, { delegateOf: () => 'member' })
  const members = createMembers({ node, log, isKnownPublic: (name) => name !== 'fx-private' })
  const at = { old: undefined, epoch: 0 }
  const request = {
    name: 'fx',
    kind: 'full',
    client: undefined,
    signal: AbortSignal.abort(),
  } as const
  const view = { credentials: undefined, owners: [''] }
  const question = { request, view, registry }
  const old = { freshness: 'current' } as CachedDocument
  const credentials = { fingerprint: 'f', authorization: 'Bearer x' }
  expect(members.delegateFor(question, at)).toBe('member')
  expect(members.delegateFor(question, { ...at, old })).toBe('member')
  const asked = [
    members.delegateFor({ ...question, request: { ...request, name: 'fx-private' } }, at),
    members.delegateFor({ ...question, request: { ...request, revalidate: true } }, at),
    members.delegateFor({ ...question, request: { ...request, isErrand: true } }, at),
    members.delegateFor({ ...question, view: { ...view, credentials } }, at),
    members.delegateFor(question, { ...at, epoch: 1 }),
    members.delegateFor(question, { ...at, old: { ...old, freshness: 'unconfirmed' } }),
  ]
  expect(members.heardSince(0)).toBe(false)
  members.heard()
  expect([members.heardSince(0), members.heardSince(Infinity)]).toEqual([true, false])
  members.distrust(
    { registry: registry.url, name: 'fx', member: 'member' },
    { why: '', isLie: false },
  )
  expect([...asked, members.delegateFor(question, at)]).toEqual(Array(7).fill(undefined))
})
