import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readBridges, removeBridge, writeBridge, type Bridge } from './bridge-file.ts'

test('what could not be read back is not written, and the others stay', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-bridges-'))
  try {
    const file = join(folder, 'bridges.json')
    const docker: Bridge = { kind: 'docker', address: '127.0.0.1', port: 4877, hosts: [] }
    await writeBridge(file, docker)

    const long = join(folder, 'x'.repeat(100), 'catalog.sock')
    await expect(writeBridge(file, { kind: 'sandbox', path: long })).rejects.toMatchObject({
      code: 'INVALID_OPTIONS',
    })

    expect(await readBridges(file)).toEqual([docker])
    expect(await removeBridge(file, 'docker')).toBe(true)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
