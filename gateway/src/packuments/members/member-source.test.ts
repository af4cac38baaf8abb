/** When the registry is asked beside, or instead of, the machine that asks it for all. */
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CatalogError } from '@catalog-p2p/core'
import { createFakeNode } from '../../../../test/support/fake-node.ts'
import type { CachedDocument } from '../cache/cached-document.ts'
import type { Received, SourceRequest } from '../packument-source.ts'
import { MAX_AT_ONCE, type MemberRequest } from './member-protocol.ts'
import { createMemberSource } from './member-source.ts'
import { createMembers } from './members.ts'

const registry = {
  ...{ url: 'https://registry.example/', origin: 'https://registry.example' },
  ...{ isPublicDefault: false, isPublic: true },
}
const log = { debug() {}, info() {}, warn() {}, error() {} }
const fromRegistry: Received = { status: 'unchanged', lifetimeMs: 1 }

interface Asking {
  readonly request: MemberRequest
  readonly signal: AbortSignal
  /** The registry is being asked. */
  readonly asked: Promise<void>
}

/** Whose answer it was, what the registry was asked with, and what the member is blamed for. */
async function ask(
  answer: (asking: Asking) => Promise<unknown>,
  validators?: SourceRequest['validators'],
  sayRegistry: (signal: AbortSignal) => Promise<Received> = () => Promise.resolve(fromRegistry),
) {
  const missed: string[] = []
  const penalized: string[] = []
  const asked: SourceRequest['validators'][] = []
  const isAsked = Promise.withResolvers<void>()
  const node = createFakeNode()
  Object.assign(node.questions, {
    ask: (_: unknown, { request, signal }: Pick<Asking, 'request' | 'signal'>) =>
      answer({ request, signal, asked: isAsked.promise }),
    penalize: (_: string, why: string) => void penalized.push(why),
  })
  const isMember = (): boolean => true
  const onMissed = (_: string, why: string): void => void missed.push(why)
  const delegateOf = (): string => 'member'
  Object.assign(node.fleet.metadata, { isMember, missed: onMissed, delegateOf })
  const source = createMemberSource({
    ...{ node, log, heard: () => undefined },
    registry: {
      by: 'registry',
      fetch(request) {
        asked.push(request.validators)
        isAsked.resolve()
        return sayRegistry(request.signal)
      },
    },
  })
  const received = await source
    .fetch({
      ...{ registry, name: 'fx', kind: 'full', validators, credentialsAt: () => undefined },
      ...{ retries: undefined, delegate: 'member', signal: AbortSignal.timeout(20_000) },
    })
    .catch((error: unknown) => error)
  const failed = received instanceof Error && { failed: received.message }
  const by = { isRegistrys: received === fromRegistry, ...failed }
  return { by, asked, missed, penalized }
}

const hanging = ({ signal }: { signal: AbortSignal }): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
const failing = (code: 'NOT_FOUND' | 'PEER_REFUSED') => () =>
  Promise.reject(new CatalogError(code, 'no'))

const known = { etag: '"1"', lastModified: undefined, hash: 'h' }
const memberKnown = { ...known, member: 'another' }

test('a member that answers spares the registry', async () => {
  const answer = async (): Promise<unknown> => ({ status: 'unchanged', lifetimeMs: 1 })
  expect(await ask(answer, memberKnown)).toMatchObject({
    ...{ by: { isRegistrys: false }, asked: [], missed: [] },
  })
})

test.each([
  ['is silent', hanging, ['silent']],
  ['refuses', failing('PEER_REFUSED'), ['refused']],
  ['has got none', failing('NOT_FOUND'), []],
  ['gives none', async () => ({ status: 'failed' }), ['failed']],
  ['confirms what was not named', async () => ({ status: 'unchanged', lifetimeMs: 1 }), ['failed']],
])('where a member %s the registry is asked', async (_, answer, missed) => {
  expect(await ask(answer)).toMatchObject({
    ...{ by: { isRegistrys: true }, asked: [undefined], missed },
  })
})

test('where a member is late and the registry fails, the member counts as long as it is at it', async () => {
  const down = () => Promise.reject(new CatalogError('UPSTREAM_UNREACHABLE', 'down'))
  const said = { status: 'unchanged', lifetimeMs: 1 }
  const late = await ask(({ asked }) => asked.then(() => turn(said)), memberKnown, down)
  expect(late).toMatchObject({ by: { isRegistrys: false }, missed: ['silent'] })
  expect(late.by).not.toHaveProperty('failed')
  expect((await ask(hanging, known, down)).by).toMatchObject({ failed: 'down' })
  expect((await ask(failing('NOT_FOUND'), known, down)).by).toMatchObject({ failed: 'down' })
})

test('a member that is late and then misbehaves is penalised, and missed once', async () => {
  const { promise: told, resolve: tell } = Promise.withResolvers<Received>()
  const lie = async ({ asked }: Asking): Promise<never> => {
    await asked
    setImmediate(() => tell(fromRegistry))
    throw new CatalogError('PEER_MISBEHAVED', 'malformed')
  }
  const asked = await ask(lie, undefined, () => told)
  expect(asked).toMatchObject({ by: { isRegistrys: true }, missed: ['silent'] })
  expect(asked.penalized).toEqual(['malformed'])
})

test('the registry confirms no document of a member: its tag may be of another text', async () => {
  const { asked } = await ask(failing('NOT_FOUND'), memberKnown)
  expect(asked).toEqual([undefined])
  expect((await ask(failing('NOT_FOUND'), known)).asked).toEqual([known])
})

test('a member confirms no document of the registry: that would be the registry’s own word, and current', async () => {
  const named: string[] = []
  const answer = async ({ request }: Asking): Promise<unknown> => {
    named.push(request.known)
    return { status: 'unchanged', lifetimeMs: 1 }
  }
  expect(await ask(answer, known)).toMatchObject({
    ...{ by: { isRegistrys: true }, asked: [known], missed: ['failed'] },
  })
  expect((await ask(answer, memberKnown)).by).toEqual({ isRegistrys: false })
  expect(named).toEqual(['', 'h'])
})

test('a member that only says that it is at it holds up nobody for long, is then asked no more, and does not speak for the registry', async () => {
  const documents = 40
  const node = createFakeNode()
  const missed: string[] = []
  let questions = 0
  let heardLate = 0
  let asked = 0
  let beats = 0
  const all = Promise.withResolvers<Received>()
  Object.assign(node.questions, {
    ask(_: unknown, { signal, onHeard }: { signal: AbortSignal; onHeard: () => void }) {
      questions += 1
      const beating = setInterval(() => {
        onHeard()
        if (asked === documents && ++beats === 100) all.resolve(fromRegistry)
      }, 20)
      return hanging({ signal }).finally(() => clearInterval(beating))
    },
  })
  Object.assign(node.fleet.metadata, {
    delegateOf: () => (missed.length === 0 ? 'member' : undefined),
    missed: (_: string, why: string) => void missed.push(why),
  })
  const source = createMemberSource({
    ...{ node, log, heard: () => void (heardLate += Number(missed.length === MAX_AT_ONCE)) },
    // Answers when those that have waited ask it as well.
    registry: { by: 'registry', fetch: () => ((asked += 1), all.promise) },
  })
  const signal = AbortSignal.timeout(20_000)
  const fetching = Array.from({ length: documents }, (_, index) =>
    source.fetch({
      ...{ registry, name: `fx-${index}`, kind: 'full', validators: undefined, signal },
      ...{ retries: undefined, delegate: 'member', credentialsAt: () => undefined },
    }),
  )
  expect(await Promise.all(fetching)).toEqual(Array(documents).fill(fromRegistry))
  expect({ questions, heardLate }).toEqual({ questions: MAX_AT_ONCE, heardLate: 0 })
  expect(new Set(missed)).toEqual(new Set(['slow']))
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
