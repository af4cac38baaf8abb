/** When the registry is asked for the head of metadata, and how long it is waited for. */
import { expect, test, vi } from 'vitest'
import { askHead, type HeadDependencies } from './ask-head.ts'
import type { Question } from './packument-request.ts'

const registry = {
  ...{ url: 'http://registry.invalid/', origin: 'http://registry.invalid' },
  ...{ isPublicDefault: false, isPublic: true },
}

function questionOf(signal: AbortSignal): Question {
  const request = { name: 'fx-one', kind: 'abbreviated', client: undefined, signal } as const
  return { request, view: { credentials: undefined, owners: [''] }, registry }
}

/** Its registry says nothing until the request is given up. */
function world(given: Partial<HeadDependencies> = {}) {
  const request = vi.fn(({ signal }: { signal: AbortSignal }) => {
    const never = Promise.withResolvers<never>()
    signal.addEventListener('abort', () => never.reject(signal.reason))
    return never.promise
  })
  const deps: HeadDependencies = {
    registries: { forName: () => registry, credentialsAt: () => undefined },
    upstream: { request, isDown: () => false },
    cache: { findByName: () => [], epochOf: () => 0 },
    silence: { whenSilent: () => Promise.withResolvers<void>().promise },
    ...given,
  }
  return { deps, request }
}

const open = new AbortController().signal

test('a silent registry is left to the usual way, and the request to it is given up', async () => {
  const { deps, request } = world({ silence: { whenSilent: () => Promise.resolve() } })
  expect(await askHead(deps, questionOf(open))).toBeUndefined()
  expect(request.mock.calls[0]?.[0].signal.aborted).toBe(true)
})

test('a client that leaves is no silence', async () => {
  const { deps } = world()
  const leaving = new AbortController()
  const asking = askHead(deps, questionOf(leaving.signal))
  leaving.abort(new Error('gone'))
  await expect(asking).rejects.toThrow('gone')
})

test('one that is down, or that another machine asks for all, is not asked', async () => {
  const { deps, request } = world()
  const down = { ...deps, upstream: { request, isDown: () => true } }
  expect(await askHead(down, questionOf(open))).toBeUndefined()
  const members = { delegateFor: () => 'another machine' }
  expect(await askHead({ ...deps, members }, questionOf(open))).toBeUndefined()
  expect(request).not.toHaveBeenCalled()
})
