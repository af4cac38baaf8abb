import type { NetworkInterfaceInfo } from 'node:os'
import { describe, expect, it } from 'vitest'
import { findOwnNetworks } from './own-networks.ts'

function v4(cidr: string, internal = false): NetworkInterfaceInfo {
  const [address = ''] = cidr.split('/')
  return { address, netmask: '', cidr, family: 'IPv4', mac: '', internal }
}

function v6(cidr: string, scopeid = 0, internal = false): NetworkInterfaceInfo {
  const [address = ''] = cidr.split('/')
  return { address, netmask: '', cidr, family: 'IPv6', mac: '', internal, scopeid }
}

const INTERFACES = {
  lo: [v4('127.0.0.1/8', true), v6('::1/128', 0, true)],
  eth0: [v4('10.0.1.5/24'), v6('fd00:1::5/64'), v6('fe80::5/64', 2), v6('2001:db8:1::5/64')],
  tun0: [v4('10.99.0.2/24')],
}

function networks(options: { loopback?: boolean; siteNetworks?: string[] } = {}) {
  return findOwnNetworks(INTERFACES, {
    ...{ loopback: false, siteNetworks: [], gateways: { has: (ip: string) => ip === '10.0.1.1' } },
    ...options,
  })
}

describe('own networks', () => {
  const cases: [string, string[]][] = [
    ['10.0.1.77', ['eth0']],
    ['fd00:1::77', ['eth0']],
    ['2001:db8:1::77', ['eth0']],
    ['::ffff:10.0.1.77', ['eth0']], // as a socket of both families says it
    ['10.99.0.77', ['tun0']],
    ['10.0.2.77', []],
    ['10.0.1.1', []], // the gateway: anybody may be behind it
    ['8.8.8.8', []],
    ['127.0.0.1', []],
    ['', []],
    ['nonsense', []],
  ]
  it.each(cases)('%s is of %j', (ip, names) => {
    expect([...networks().networksOf(ip)]).toEqual(names)
  })

  it('know a link-local neighbour by its zone, by name or by number', () => {
    const { linksOf } = networks()
    expect([...linksOf('fe80::9%eth0')]).toEqual(['eth0'])
    expect([...linksOf('fe80::9%2')]).toEqual(['eth0'])
    expect([...linksOf('fe80::9%wlan7')]).toEqual([])
    expect([...linksOf('203.0.113.1%eth0')]).toEqual([])
  })

  it('have loopback among them only where that is asked for', () => {
    expect([...networks({ loopback: true }).networksOf('127.0.0.1')]).toEqual(['loopback'])
    expect([...networks({ loopback: true }).networksOf('::1')]).toEqual(['loopback'])
  })

  it('reach as far as the user says, but a site is no link', () => {
    const site = networks({ siteNetworks: ['10.0.0.0/16'] })
    expect([...site.networksOf('10.0.2.77')]).toEqual(['10.0.0.0/16'])
    expect([...site.networksOf('10.0.1.77')]).toEqual(['eth0', '10.0.0.0/16'])
    expect([...site.networksOf('10.99.0.77')]).toEqual(['tun0'])
    expect([...site.linksOf('10.0.2.77')]).toEqual([])
  })
})
