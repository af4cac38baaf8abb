import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { keyIdFromBytes } from '@catalog-p2p/core'
import { resolveConfig, type Config } from '../../config/resolve.ts'
import { defaultValue } from '../../config/options-document.ts'
import type { Setting } from '../../config/setting.ts'
import { SETTINGS } from '../../config/settings.ts'
import { daemonSettings, MAY_DIFFER, type DaemonSettings } from '../start/daemon-settings.ts'
import { unkeptSettings } from './wanted-settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'catalog-wanted-'))
const swarmFile = join(folder, 'other-swarm.txt')
writeFileSync(swarmFile, 'nonsense, and so another swarm than none')
afterAll(() => rmSync(folder, { recursive: true }))

function config(flags: Readonly<Record<string, unknown>>): Config {
  const places = { configFolder: folder, cwd: folder, home: folder, defaultStore: folder }
  return resolveConfig({ flags, env: {}, ...places })
}

/** As another process reads it. */
function written(daemon: Config): DaemonSettings {
  return JSON.parse(JSON.stringify(daemonSettings(daemon))) as DaemonSettings
}

const SAMPLES: Readonly<Record<string, unknown>> = {
  'fallback-upstream': 'http://127.0.0.1:9/',
  'public-registry': ['http://127.0.0.1:9/'],
  'malware-list': 'http://127.0.0.1:9/list',
  'registry-signatures': ['require'],
  witness: [keyIdFromBytes(Buffer.alloc(32))],
  'witness-quorum': 2,
  'site-network': ['10.0.0.0/8'],
  swarm: swarmFile,
}

/** Something else than the default. */
function otherValue(setting: Setting): unknown {
  const { name, type, choices } = setting
  const usual = defaultValue(setting)
  if (name in SAMPLES) return SAMPLES[name]
  if (choices !== undefined) return choices.find((each) => each !== usual)
  if (type === 'boolean') return usual !== true
  if (type === 'list') return ['@one']
  if (type === 'path') return join(folder, 'elsewhere')
  if (type === 'text') return 'another'
  const number = typeof usual === 'number' ? usual + 1 : 1
  return type === 'duration' ? `${number}ms` : number
}

test('an option that a running daemon does not have is noticed, whatever it is, unless it may differ on purpose', () => {
  const usual = written(config({}))
  for (const setting of SETTINGS.filter(({ name }) => !MAY_DIFFER.has(name))) {
    const { name } = setting
    const given = config({ [name]: otherValue(setting) })
    expect(unkeptSettings(given, {}, usual).map(([each]) => each)).toEqual([name])
    expect(unkeptSettings(given, {}, written(given))).toEqual([])
  }
})

test('what may differ are options, and none that protects or discloses anything', () => {
  const names = SETTINGS.map(({ name }) => name)
  expect([...MAY_DIFFER].filter((name) => !names.includes(name))).toEqual([])
  for (const name of ['registry-signatures', 'fleet-metadata', 'fallback-upstream', 'carrier'])
    expect(MAY_DIFFER.has(name)).toBe(false)
})
