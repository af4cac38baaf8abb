/** What is written in two places says the same: the public surface, and the pages that list what the code has. */
import { join } from 'node:path'
import * as core from '@catalog-p2p/core'
import * as gateway from '@catalog-p2p/gateway'
import { expect, test } from 'vitest'
import { ERROR_CODES } from '../core/src/errors.ts'
import { ROUTE_NAMES } from '../gateway/src/http/route.ts'
import { readText } from './support/source-tree.ts'

test('the public surface is small, and grows only on purpose', () => {
  expect(Object.keys(core).sort()).toEqual([
    'CatalogError',
    'FieldReader',
    'FieldWriter',
    'MAX_CERTIFICATE_BYTES',
    'MAX_REVOCATIONS_BYTES',
    'STATEMENT_OVERHEAD_BYTES',
    'SWARM_KEY_PREFIX',
    'carrierPortOf',
    'claimedSigner',
    'createInviteSecret',
    'createNode',
    'createSwarmKey',
    'createWorkerThread',
    'decodeCanonical',
    'defaultStorePath',
    'digestOf',
    'encodeCanonical',
    'errnoOf',
    'findDigest',
    'formatAssetId',
    'generateKey',
    'importSecret',
    'invalidOptions',
    'inviteIdOf',
    'inviteToText',
    'isCatalogError',
    'isDigest',
    'isKeyId',
    'issueCertificate',
    'joinSwarm',
    'judgeCertificate',
    'keyIdFromBytes',
    'keyIdOf',
    'keyIdToBytes',
    'makeFolder',
    'nameKeyFromBytes',
    'nameKeyOf',
    'nameKeyToBytes',
    'openCertificate',
    'openDatabase',
    'openRevocations',
    'openStatement',
    'packageKeyOf',
    'parseAssetId',
    'parseDigest',
    'parseInvite',
    'parseKeyId',
    'parseNodeOptions',
    'parseSwarmFile',
    'registryOf',
    'renameOver',
    'restNow',
    'signRevocations',
    'signStatement',
    'swarmFileToText',
    'swarmNamesOf',
    'toPublicKey',
    'verifyCertificate',
    'verifySignature',
    'witnessKeyOf',
    'workerUrl',
  ])
  expect(Object.keys(gateway).sort()).toEqual([
    'DEFAULT_REGISTRY',
    'createEvidenceVerifier',
    'createGateway',
    'createPinoLogger',
    'npmConfigFrom',
    'parseGatewayOptions',
    'readNpmConfig',
  ])
})

test('docs/errors.md has every code, with its kind and whether to try again', () => {
  const page = readText(join('docs', 'errors.md'))
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` +\| (\w+) +\| (\w+) +\|/gm)]
  const listed = rows.map(([, code, kind, retry]) => [code, { kind, retry }])
  expect(Object.fromEntries(listed)).toEqual(ERROR_CODES)
  expect(rows).toHaveLength(Object.keys(ERROR_CODES).length)
})

test('docs/metrics.md names every route', () => {
  const page = readText(join('docs', 'metrics.md'))
  const [, list = ''] = /own route names \(([^)]+)\)/.exec(page) ?? []
  const listed = [...list.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  expect(listed).toEqual([...ROUTE_NAMES])
})
