/**
 * Publishers who may not: what they have signed is there to be found, over real QUIC, and is refused where others are trusted for the
 * name, or where their organisation does not speak for them any more; who installs is told why, and what to look at.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { issueCertificate, keyIdOf, signRevocations, type HybridKey } from '@catalog-p2p/core'
import { expect, test, vi } from 'vitest'
import { documentOf } from '../../gateway/src/cli/publish/document.ts'
import { CertificateBook } from '../../gateway/src/trust/certificate-book.ts'
import { certificatesPath } from '../../gateway/src/trust/trust-file.ts'
import { createCollectingLogger } from '../support/collecting-logger.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { meet, type Machine } from '../support/machines/machine.ts'
import { ann, annsKey, machinesOfEachTest, TOKEN } from '../support/machines/network-machine.ts'
import { keyOf, packageOf, signalOf } from '../support/registries/publishing.ts'

const NAME = '@acme/tool'
const HOUR_MS = 3_600_000
const rootKey = keyOf('root')
const root = keyIdOf(rootKey.publicKey)
const UNDER_ROOT = `@acme root ${root}\n`

const world = machinesOfEachTest()

/** A machine that knows one who has it, signed by that key. */
async function beside(key: HybridKey, trust?: string): Promise<Machine> {
  const here = await world.machine('publishes', key)
  await here.node.publications.publish(packageOf(NAME, '1.0.0'), key, signalOf())
  const there = await world.machine('installs', undefined, trust === undefined ? {} : { trust })
  await meet(there.node, here.node, 0)
  return there
}

const bookOf = (name: string): CertificateBook =>
  new CertificateBook(certificatesPath(join(world.folder, name)), { log: createCollectingLogger() })

function certificate({ names = ['@acme'], hours = 1 } = {}): Uint8Array {
  const endsMs = Date.now() + hours * HOUR_MS
  return issueCertificate(
    {
      ...{ subject: { kind: 'publisher', key: ann }, names, note: 'Ann' },
      ...{ notBeforeMs: endsMs - 2 * HOUR_MS, notAfterMs: endsMs },
    },
    rootKey,
  )
}

/** What a client is told of the package, and of its tarball. */
async function asked({ url }: Machine): Promise<{ status: number; words: string }[]> {
  const answers = await Promise.all(
    [NAME, `${NAME}/-/tool-1.0.0.tgz`].map((path) => fetch(`${url}/${path}`)),
  )
  return await Promise.all(
    answers.map(async (each) => ({ status: each.status, words: await each.text() })),
  )
}

async function expectRefused(at: Machine, ...words: readonly string[]): Promise<void> {
  for (const answer of await asked(at)) {
    expect(answer.status).toBe(404)
    for (const each of words) expect(answer.words).toContain(each)
  }
}

test("a stranger's package under a name that is another's", async () => {
  const there = await beside(keyOf('mallory'))
  await expectRefused(there, `nothing published by ${ann} can be found`, 'catalog peers')
})

test('of a key that its organisation has certified, until it is revoked', async () => {
  const there = await beside(annsKey, UNDER_ROOT)
  await bookOf('installs').take(root, { revocations: undefined, certificates: [certificate()] })
  // It has come a moment ago, and may not have told yet what it has.
  expect((await asked(there)).map(({ status }) => status)).toEqual([200, 200])
  const stolen = { sequence: 1, issuedAtMs: Date.now(), subjects: [ann] }
  const revocations = signRevocations(stolen, rootKey)
  await bookOf('installs').take(root, { revocations, certificates: [] })
  await expectRefused(there, 'may publish it now', `catalog trust explain ${NAME}`)
})

test('of a key that was taken out of the trust file, after a restart too', async () => {
  const here = await world.machine('publishes', annsKey)
  await here.node.publications.publish(packageOf(NAME, '1.0.0'), annsKey, signalOf())
  const mallory = `@acme key ${keyIdOf(keyOf('mallory').publicKey)}\n`
  const node = { store: { path: join(world.folder, 'store') } }
  const there = await world.machine('installs', undefined, {
    ...{ node, trust: `@acme key ${ann}\n${mallory}` },
  })
  await meet(there.node, here.node, 2)
  expect((await asked(there)).map(({ status }) => status)).toEqual([200, 200])
  await writeFile(join(world.folder, 'installs', 'trust.txt'), mallory, { mode: 0o600 })
  await vi.waitFor(() => expectRefused(there, 'can be found'))
  await there[Symbol.asyncDispose]()
  await there.node.close()
  // Head, release and tarball are in its store; the name is Mallory's, or nobody's.
  for (const [index, trust] of [mallory, ''].entries()) {
    const again = await world.machine(`again-${index}`, undefined, { node, trust })
    expect((await asked(again)).map(({ status }) => status)).toEqual([404, 404])
    await again[Symbol.asyncDispose]()
    await again.node.close()
  }
})

test.each([
  ['whose certificate has ended', { hours: -1 }],
  ['that is certified for another scope', { names: ['@other'] }],
])('of a key %s', async (_what, how) => {
  const there = await beside(annsKey, UNDER_ROOT)
  const certificates = [certificate(how)]
  await bookOf('installs').take(root, { revocations: undefined, certificates })
  await expectRefused(there, 'may publish it now', `catalog trust explain ${NAME}`)
})

test('a key that is not certified publishes nothing either', async () => {
  const here = await world.machine('publishes', annsKey, { trust: UNDER_ROOT })
  const answer = await publish(here)
  expect(answer.status).toBe(403)
  expect(await answer.text()).toContain(`no key of this machine may publish ${NAME}`)
})

test('what is too large is not published, and it is said what is', async () => {
  const here = await world.machine('publishes', annsKey)
  const answer = await publish(here, { description: 'x'.repeat(60_000) })
  expect(answer.status).toBe(400)
  expect(await answer.text()).toContain(
    "package.json's fields and the provenance take more than 60000 bytes",
  )
  expect(here.node.publications.own()).toEqual([])
})

async function publish({ url }: Machine, manifest: object = {}): Promise<Response> {
  const document = await documentOf(makePackage(NAME, '1.0.0', { ...manifest }).tarball, undefined)
  return await fetch(`${url}/@acme%2ftool`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify(document),
  })
}
