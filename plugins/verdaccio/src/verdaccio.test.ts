import { expect, test } from 'vitest'
import { inspectStorage } from './verdaccio.ts'

const nothing = (): void => undefined

class Uplink {
  fetchTarball(): void {
    return undefined
  }
}

function storage(): Record<string, unknown> & { localStorage: Record<string, unknown> } {
  return {
    getTarball: nothing,
    uplinks: { a: new Uplink(), b: new Uplink() },
    localStorage: {
      ...{ addTarball: nothing, getTarball: nothing, getPackageMetadataAsync: nothing },
      ...{ removeTarball: nothing, removePackage: nothing },
    },
  }
}

test('a storage as Verdaccio 6 has it', () => {
  expect(inspectStorage(storage())).toMatchObject({ ok: true, uplinkPrototype: Uplink.prototype })
  const bare = { ...storage(), uplinks: {} }
  expect(inspectStorage(bare)).toMatchObject({ ok: true, uplinkPrototype: undefined })
})

test.each([
  ['storage', undefined],
  ['storage.getTarball', { ...storage(), getTarball: 'text' }],
  ['storage.localStorage', { ...storage(), localStorage: null }],
  ['storage.localStorage.addTarball', { ...storage(), localStorage: {} }],
  ['storage.uplinks', { ...storage(), uplinks: undefined }],
  ['storage.uplinks[*].fetchTarball', { ...storage(), uplinks: { a: {} } }],
  [
    'one class with fetchTarball of all storage.uplinks',
    { ...storage(), uplinks: { a: new Uplink(), b: { fetchTarball: nothing } } },
  ],
  [
    'one class with fetchTarball of all storage.uplinks',
    { ...storage(), uplinks: { a: { fetchTarball: nothing } } },
  ],
])('what is missing is named: %s', (missing, value) => {
  expect(inspectStorage(value)).toEqual({ ok: false, missing })
})
