import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Terminal } from '../shell/terminal.ts'
import { createDaemonLog } from './daemon-log.ts'
import { createProgress, progressLine, type Totals } from './progress.ts'

const nothing = { artifacts: 0, bytes: 0 }
const idle: Totals = {
  peers: 0,
  served: { store: nothing, peer: nothing, origin: nothing },
  uploadedBytes: 0,
  activeRequests: 0,
}
const busy: Totals = {
  peers: 2,
  served: {
    store: nothing,
    peer: { artifacts: 33, bytes: 4_200_000 },
    origin: { artifacts: 1, bytes: 10 },
  },
  uploadedBytes: 5_000,
  activeRequests: 3,
}

let raw: string
let notes: string[]
const terminal = {
  columns: 60,
  raw: (text: string) => (raw += text),
  note: (text: string) => notes.push(text),
  paintNote: (_: string, text: string) => text,
} as unknown as Terminal

beforeEach(() => {
  raw = ''
  notes = []
  vi.useFakeTimers()
})
afterEach(() => vi.useRealTimers())

test('the line names peers, sources, speed and what was given', () => {
  expect(progressLine(idle, { speed: 0, upload: 0 })).toBe('0 peers · nothing asked for yet')
  expect(progressLine(busy, { speed: 3_400_000, upload: 1000 })).toBe(
    '2 peers · 33 from peers (4.2 MB), 1 from registry (10 B) · 3.4 MB/s · 5.0 kB given to peers, 1.0 kB/s',
  )
})

test('on a terminal the line is rewritten each second, within its width, and goes away at the end', () => {
  let now = idle
  const log = createDaemonLog(terminal, { level: 'info', beforeLine: () => undefined })
  const progress = createProgress({ terminal, log, totals: () => now }, { rewrite: true })
  progress.start()
  now = busy
  vi.advanceTimersByTime(1000)
  const shown = raw.split('\r\u001B[2K')
  expect(shown).toHaveLength(2)
  expect(shown[1]).toMatch(/^2 peers · 33 from peers/)
  expect(shown[1]).toHaveLength(59)
  progress.stop()
  expect(raw.endsWith('\r\u001B[2K')).toBe(true)
  const { length } = raw
  vi.advanceTimersByTime(5000)
  expect(raw).toHaveLength(length)
})

test('elsewhere a log line now and then, and only while something moves', () => {
  let now = idle
  const log = createDaemonLog(terminal, { level: 'info', beforeLine: () => undefined })
  const progress = createProgress({ terminal, log, totals: () => now }, { rewrite: false })
  progress.start()
  vi.advanceTimersByTime(60_000)
  expect(notes).toEqual([])
  now = busy
  vi.advanceTimersByTime(60_000)
  expect(notes).toHaveLength(1)
  expect(notes[0]).toContain('daemon.progress')
  expect(raw).toBe('')
  progress.stop()
})

test('log lines: below the level nothing, facts as words, errors by message and hint', () => {
  const log = createDaemonLog(terminal, {
    level: 'warn',
    beforeLine: () => notes.push('-'),
  })
  log.info('quiet')
  log.warn('loud', { port: 1, text: 'two words', none: undefined, error: new Error('broken') })
  expect(notes[0]).toBe('-')
  expect(notes[1]).toMatch(/ warn {2}loud port=1 text="two words" error="broken"$/)
  expect(notes).toHaveLength(2)
})
