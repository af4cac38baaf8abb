/** Numbers, times and names in words, the same all over the page. Pure. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** `812 B`, `8.1 MB`, `153 MB`: powers of 1000, as the command line has them. */
export function bytes(number: number): string {
  let value = number
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value.toFixed(unit === 0 || value >= 99.5 ? 0 : 1)} ${UNITS[unit]}`
}

/** `340 ms`, `1.4 s`, `2 min 5 s`, `3 h 10 min`, `4 d 2 h`. */
export function duration(ms: number): string {
  if (ms < 1) return '< 1 ms'
  if (ms < 999.5) return `${Math.round(ms)} ms`
  const s = ms / 1000
  if (s < 59.95) return `${s < 9.95 ? s.toFixed(1) : Math.round(s)} s`
  const steps = [
    [Math.floor(s / 86_400), 'd'],
    [Math.floor(s / 3600) % 24, 'h'],
    [Math.floor(s / 60) % 60, 'min'],
    [Math.floor(s) % 60, 's'],
  ] as const
  const first = steps.findIndex(([count]) => count > 0)
  const shown = steps.slice(first, first + 2).filter(([count]) => count > 0)
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ')
}

export function count(number: number): string {
  return number.toLocaleString('en-US')
}

/** `1 package`, `1,204 packages`. */
export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`
}

/** Whole per cent, and never 100 while something is missing, nor 0 while there is something. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return '0 %'
  const exact = (100 * part) / whole
  if (exact > 0 && exact < 1) return '< 1 %'
  if (exact > 99 && exact < 100) return '> 99 %'
  return `${Math.round(exact)} %`
}

/** `14:03`, or with the day when it was another one. */
export function clockTime(ms: number, nowMs: number): string {
  const date = new Date(ms)
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}`
  const isToday = date.toDateString() === new Date(nowMs).toDateString()
  return isToday
    ? time
    : `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })}, ${time}`
}

/** The end of a peer id, which is what differs. */
export function shortId(id: string): string {
  return id.length > 10 ? `…${id.slice(-6)}` : id
}

function pad(number: number): string {
  return String(number).padStart(2, '0')
}
