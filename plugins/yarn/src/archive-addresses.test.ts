import { describe, expect, test } from 'vitest'
import { ArchiveAddresses } from './archive-addresses.ts'

const registry = 'https://main.invalid/npm'
const evil = { kind: 'tarball', name: '@fx/evil', version: '1.0.0-rc.1+b', registry } as const
const victim = { ...evil, name: 'victim' }

describe('an address that metadata names', () => {
  const address = 'https://cdn.invalid/download/1?a=b'

  test('is each package’s own, and the same place for the server', () => {
    const archives = new ArchiveAddresses()
    const [one, two] = [evil, victim].map((route) => new URL(archives.nameIn(address, route)))
    expect(archives.find(one!)).toEqual({ ...evil, address })
    expect(archives.find(two!)).toEqual({ ...victim, address })
    for (const url of [one!, two!]) expect(url.href.split('#')[0]).toBe(address)
    expect(archives.nameIn(address, evil)).toBe(one!.href)
  })

  test('is nobody’s when it is asked for without its fragment, or with one that others may write', () => {
    const archives = new ArchiveAddresses()
    const named = new ArchiveAddresses().nameIn(address, evil)
    archives.nameIn(address, evil)
    for (const url of [address, `${address}#@fx/evil@1.0.0-rc.1+b`, named]) {
      expect(archives.find(new URL(url))).toBeUndefined()
    }
  })

  test('keeps no fragment of its own', () => {
    const archives = new ArchiveAddresses()
    expect(archives.nameIn(`${address}#x`, evil)).toBe(archives.nameIn(address, evil))
  })
})

test('a path is one of the registry, and what is no address is left to Yarn', () => {
  const archives = new ArchiveAddresses()
  expect(archives.nameIn('/x.tgz', evil)).toMatch(/^https:\/\/main\.invalid\/npm\/x\.tgz#/)
  expect(archives.nameIn('nowhere', evil)).toBe('nowhere')
})
