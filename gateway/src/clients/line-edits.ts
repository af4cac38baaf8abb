/**
 * Changes to a text file line by line, so that all the rest stays byte for byte, and so that each change can be taken
 * back later even if the file has changed around it. Text is Latin-1 of the bytes: nothing is lost in either direction.
 */

/** A line that was put in place of another, or (`removed` absent) a new one. */
export interface LineChange {
  readonly added: string
  readonly removed?: string
  /** Where it stood right after the edit; the nearest match is taken when several lines look alike. */
  readonly line: number
}

export interface EditedText {
  readonly text: string
  readonly changes: readonly LineChange[]
}

interface Line {
  readonly text: string
  readonly end: string
}

export interface LineEditor {
  /** Without line ends; the byte order mark of the first line, if any, is not part of it. */
  readonly lines: readonly string[]
  replace(index: number, text: string): void
  /** Before the line now at `index`; `lines.length` appends. Indexes after it move by one. */
  insert(index: number, text: string): void
  finish(): EditedText
}

// The UTF-8 byte order mark, as Latin-1 shows it.
const MARK = '\u00EF\u00BB\u00BF'

export function createLineEditor(source: string): LineEditor {
  const mark = source.startsWith(MARK) ? MARK : ''
  const lines = splitLines(source.slice(mark.length))
  const usual = lines.find((line) => line.end !== '')?.end ?? '\n'
  let changes: LineChange[] = []
  return {
    get lines() {
      return lines.map((line) => line.text)
    },
    replace(index, text) {
      const line = lines[index]
      if (line === undefined) throw new Error(`no line ${index}`)
      changes.push({ added: text, removed: line.text, line: index })
      lines[index] = { text, end: line.end }
    },
    insert(index, text) {
      const before = lines[index - 1]
      // A last line without an end gets one, for ours to follow.
      if (before !== undefined && before.end === '') lines[index - 1] = { ...before, end: usual }
      lines.splice(index, 0, { text, end: usual })
      changes = changes.map((c) => (c.line >= index ? { ...c, line: c.line + 1 } : c))
      changes.push({ added: text, line: index })
    },
    finish: () => ({ text: mark + joinLines(lines), changes }),
  }
}

/** Without the byte order mark, which belongs to no line. */
export function withoutMark(text: string): string {
  return text.startsWith(MARK) ? text.slice(MARK.length) : text
}

export interface UndoneText {
  readonly text: string
  /** Added lines that are no longer there: changed or removed since. */
  readonly missing: readonly string[]
}

/** Takes `changes` back in a text that may have changed since; touches no other line. */
export function undoChanges(source: string, changes: readonly LineChange[]): UndoneText {
  const mark = source.startsWith(MARK) ? MARK : ''
  const lines: (Line | undefined)[] = splitLines(source.slice(mark.length))
  const missing: string[] = []
  const taken = new Set<number>()
  for (const change of changes) {
    const index = nearestLine(lines, change, taken)
    const line = index === undefined ? undefined : lines[index]
    if (index === undefined || line === undefined) {
      missing.push(change.added)
      continue
    }
    taken.add(index)
    lines[index] = change.removed === undefined ? undefined : { ...line, text: change.removed }
  }
  const left = lines.filter((line) => line !== undefined)
  return { text: mark + joinLines(left), missing }
}

function nearestLine(
  lines: readonly (Line | undefined)[],
  change: LineChange,
  taken: ReadonlySet<number>,
): number | undefined {
  let best: number | undefined
  for (const [index, line] of lines.entries()) {
    if (line === undefined || taken.has(index) || line.text.trim() !== change.added.trim()) continue
    const isNearer =
      best === undefined || Math.abs(index - change.line) < Math.abs(best - change.line)
    if (isNearer) best = index
  }
  return best
}

function splitLines(text: string): Line[] {
  const parts = text.match(/[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g) ?? []
  return parts.map((part) => {
    const end = /(?:\r\n|\n|\r)$/.exec(part)?.[0] ?? ''
    return { text: part.slice(0, part.length - end.length), end }
  })
}

function joinLines(lines: readonly Line[]): string {
  return lines.map((line) => line.text + line.end).join('')
}
