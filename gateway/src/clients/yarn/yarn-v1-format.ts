/** The `registry "https://…"` line of Yarn 1's ~/.yarnrc: one `key value` per line; the last one counts. */
import { createLineEditor } from '../line-edits.ts'
import { NOTE, type RegistryFormat } from '../registry-format.ts'

const REGISTRY = /^\s*"?registry"?\s+(?:"([^"]*)"|(\S+))/

export const yarnV1Format: RegistryFormat = {
  registryOf(text) {
    const { lines } = createLineEditor(text)
    const match = REGISTRY.exec(lines.findLast((line) => REGISTRY.test(line)) ?? '')
    return match?.[1] ?? match?.[2]
  },
  setRegistry(text, url) {
    const editor = createLineEditor(text)
    const found = [...editor.lines.entries()].filter(([, line]) => REGISTRY.test(line))
    for (const [index] of found) editor.replace(index, `registry "${url}"`)
    const at = found[0]?.[0] ?? editor.lines.length
    if (found.length === 0) editor.insert(at, `registry "${url}"`)
    editor.insert(at, NOTE)
    return editor.finish()
  },
}
