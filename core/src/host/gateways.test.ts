import { endianness } from 'node:os'
import { describe, expect, it } from 'vitest'
import { findGateways } from './gateways.ts'

const word = (ip: string): string => {
  const bytes = Buffer.from(ip.split('.').map(Number))
  return (endianness() === 'LE' ? bytes.reverse() : bytes).toString('hex').toUpperCase()
}
const NONE = '0'.repeat(32)
const V6 = 'fd000000000000000000000000000001'
const TABLES: Readonly<Record<string, string>> = {
  '/proc/net/route': [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    `eth0\t00000000\t${word('172.17.0.1')}\t0003\t0\t0\t0\t00000000\t0\t0\t0   `,
    `eth0\t${word('172.17.0.0')}\t00000000\t0001\t0\t0\t0\t${word('255.255.0.0')}\t0\t0\t0`,
    `eth0\t${word('10.0.0.0')}\t${word('172.17.0.9')}\t0003\t0\t0\t0\t${word('255.0.0.0')}\t0\t0\t0`,
    `ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0`,
    'nonsense',
  ].join('\n'),
  '/proc/net/ipv6_route': [
    `${V6.slice(0, 16)}${'0'.repeat(16)} 40 ${NONE} 00 ${NONE} 00000100 00000001 00000000 00000001     eth0`,
    `${NONE} 00 ${NONE} 00 ${V6} 00000400 00000003 00000000 00000003     eth0`,
    `${NONE} 00 ${NONE} 00 ${NONE} ffffffff 00000001 00000000 00200200       lo`,
  ].join('\n'),
}

describe('gateways', () => {
  const { has } = findGateways((path) => TABLES[path] ?? '')

  it.each(['172.17.0.1', '::ffff:172.17.0.1', 'fd00::1', 'fd00:0:0:0::1%eth0'])('%s is one', (ip) =>
    expect(has(ip)).toBe(true),
  )

  it.each(['172.17.0.2', '172.17.0.9', '0.0.0.0', '::', 'fd00::2', '', 'nonsense'])(
    '%s is none',
    (ip) => expect(has(ip)).toBe(false),
  )

  it('are none where nothing is told', () => {
    expect(findGateways(() => '').has('172.17.0.1')).toBe(false)
  })

  it('are looked up without harm on this machine', () => {
    expect(findGateways().has('203.0.113.1')).toBe(false)
  })
})
