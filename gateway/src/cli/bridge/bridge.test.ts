/** Where guests of each kind reach this machine, by its interfaces; and what they are told to do. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { spawnSync } from 'node:child_process'
import type { NetworkInterfaceInfo } from 'node:os'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  bridgeFilePath,
  readBridges,
  removeBridge,
  writeBridge,
  type Bridge,
} from '../../bridges/bridge-file.ts'
import { guestUrl, linesFor, relayProgram } from './bridge-lines.ts'
import { bridgeAt, type PlaceFacts } from './bridge-place.ts'

const at = (address: string): NetworkInterfaceInfo[] => [
  { family: 'IPv4', address, netmask: '255.255.0.0', mac: '', internal: false, cidr: null },
]
const facts: PlaceFacts = {
  platform: 'linux',
  interfaces: { lo: at('127.0.0.1'), docker0: at('172.17.0.1') },
  ...{ port: 4874, folder: '/home/ann/.config/catalog-p2p' },
}
const windows: PlaceFacts = {
  ...facts,
  platform: 'win32',
  interfaces: { 'vEthernet (WSL (Hyper-V firewall))': at('172.28.0.1') },
}

test('containers reach the address of their network, or what Docker Desktop makes of a name', () => {
  const docker = bridgeAt('docker', facts)
  expect(docker).toMatchObject({ kind: 'docker', address: '172.17.0.1', port: 4874 })
  expect(guestUrl(docker)).toBe('http://host.docker.internal:4874/')
  expect(bridgeAt('devcontainer', { ...facts, platform: 'darwin' })).toMatchObject({
    ...{ address: '127.0.0.1', port: 4877 },
  })
  expect(bridgeAt('wsl', windows)).toMatchObject({ address: '172.28.0.1', hosts: [] })
  expect(bridgeAt('docker', { ...facts, address: '10.89.0.1' })).toMatchObject({
    address: '10.89.0.1',
  })
})

test('its port is no other of ours, or the one it is given', () => {
  const mac: PlaceFacts = { ...facts, platform: 'darwin' }
  expect(bridgeAt('docker', { ...mac, bridgePort: 5000 })).toMatchObject({ port: 5000 })
  expect(bridgeAt('docker', { ...facts, bridgePort: 5000 })).toMatchObject({ port: 5000 })
  for (const odd of [{ port: 65_533 }, { bridgePort: 0 }, { bridgePort: Number('x') }]) {
    expect(() => bridgeAt('docker', { ...mac, ...odd })).toThrow('no port for the bridge')
  }
  expect(() => bridgeAt('sandbox', { ...facts, bridgePort: 5000 })).toThrow('a socket')
})

test('what is not there is not guessed', () => {
  const interfaces = { lo: at('127.0.0.1') }
  expect(() => bridgeAt('docker', { ...facts, interfaces })).toThrow('no docker0 interface')
  expect(() => bridgeAt('wsl', { ...windows, interfaces })).toThrow('vEthernet')
  expect(() => bridgeAt('docker', { ...facts, address: 'here' })).toThrow('no IP address')
})

test('the lines can be copied: JSON for dev containers, a program that Node reads for sandboxes', () => {
  const [devcontainer] = linesFor('devcontainer', bridgeAt('devcontainer', facts))
  expect(JSON.parse(devcontainer?.lines.join('\n') ?? '')).toMatchObject({
    containerEnv: { npm_config_registry: 'http://host.docker.internal:4874/' },
  })
  const path = `/run/it's "here" $HOME \`id\` \\/catalog.sock`
  const program = relayProgram(path)
  const { status } = spawnSync(process.execPath, ['--check', '-'], { input: program })
  expect(status).toBe(0)
  const [, inside] = linesFor('sandbox', { kind: 'sandbox', path })
  const word = inside?.lines[0]?.replace(/^node -e /, '').replace(/ &$/, '') ?? ''
  if (process.platform === 'win32') return
  expect(spawnSync('sh', ['-c', `printf %s ${word}`]).stdout.toString()).toBe(program)
})

test('a file that cannot be read is an error that names it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-bridge-'))
  try {
    await expect(readBridges(folder)).rejects.toMatchObject({
      ...{ code: 'INVALID_OPTIONS', message: expect.stringContaining(folder) },
    })
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('undoing one leaves the others as they were', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'catalog-bridge-'))
  const path = bridgeFilePath(folder)
  try {
    const sandbox: Bridge = { kind: 'sandbox', path: join(folder, 'catalog.sock') }
    await writeBridge(path, sandbox)
    const before = await readFile(path)
    await writeBridge(path, bridgeAt('docker', facts))
    await writeBridge(path, bridgeAt('docker', { ...facts, port: 4880 }))
    expect(await readBridges(path)).toHaveLength(2)
    expect(await removeBridge(path, 'docker')).toBe(true)
    expect(await removeBridge(path, 'docker')).toBe(false)
    expect(await readFile(path)).toEqual(before)
  } finally {
    await rm(folder, { recursive: true })
  }
})
