/**
 * "audit signatures" of packages of the network, with no registry: the gateway has verified the publisher's signature and says so with
 * its own, which is what clients can check. Of a package that nobody trusted has published there is nothing to say yes to.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keyIdOf } from '@catalog-p2p/core'
import { runClient, type ClientResult } from '../support/client.ts'
import { tagsOf, type ClientName } from '../support/clients.ts'
import { asIfInstalled, type SignedVersion } from '../support/features/features-signatures.ts'
import { startTufRepository, type TufRepository } from '../support/features/features-tuf.ts'
import { createTransparencyLog } from '../support/features/features-attestation.ts'
import { makePackage } from '../support/fixture-packages.ts'
import { startMachine, type Machine } from '../support/machines/machine.ts'
import { quietNode } from '../support/machines/machine.ts'
import { keyOf } from '../support/registries/publishing.ts'
import type { CatalogNode } from '@catalog-p2p/core'

const ann = keyOf('ann')
const tool = makePackage('@acme/tool', '1.0.0')
const asSigned: SignedVersion = {
  ...{ name: tool.name, version: tool.version, integrity: tool.integrity },
  ...{ keyid: '', sig: '', time: '2026-01-01T00:00:00.000Z' },
}

let folder: string
let tuf: TufRepository
let node: CatalogNode
let machine: Machine
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'catalog-audit-'))
  tuf = await startTufRepository({ 'trusted_root.json': createTransparencyLog().trustedRoot })
  const publisher = keyIdOf(ann.publicKey)
  const trustPath = join(folder, 'trust.txt')
  await writeFile(trustPath, `@acme key ${publisher}\n`, { mode: 0o600 })
  node = await quietNode({}, { trustsPublisher: (id) => id.publisher === publisher })
  const { signal } = new AbortController()
  const { name, version, tarball } = tool
  const manifest = JSON.stringify({ name, version })
  await node.publications.publish({ name, version, tarball, manifest, tags: ['latest'] }, ann, {
    signal,
  })
  const upstream = 'http://127.0.0.1:9/'
  machine = await startMachine({ node, upstream, peersOnly: true, gateway: { trustPath } })
})
afterEach(async () => {
  await machine[Symbol.asyncDispose]()
  await node.close()
  await tuf[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function audit(
  client: ClientName,
  installed: readonly SignedVersion[],
): Promise<ClientResult> {
  const [cwd, home] = [join(folder, 'project'), join(folder, 'home')]
  await mkdir(cwd)
  await mkdir(join(home, 'tmp'), { recursive: true })
  await asIfInstalled(cwd, installed)
  const env = await tuf.trustFrom(home)
  return runClient(client, ['audit', 'signatures'], { cwd, home, registry: machine.url, env })
}

for (const client of ['npm-11', 'npm-12', 'pnpm-11', 'pnpm-12'] as const) {
  describe(client, { tags: tagsOf(client) }, () => {
    test("has the gateway's signature to check", async () => {
      const { exitCode, output } = await audit(client, [asSigned])
      expect(output).toMatch(/1 package has a verified registry signature/)
      expect(exitCode).toBe(0)
    })
  })
}
