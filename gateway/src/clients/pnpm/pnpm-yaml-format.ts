/** The registry in pnpm's config.yaml (pnpm 11 and newer): `registry`, or `registries.default`, which wins over it. */
import { createLineEditor } from '../line-edits.ts'
import type { RegistryFormat } from '../registry-format.ts'
import { checkedYaml, setScalar, textAt, yamlValues, type YamlValues } from '../yaml-edits.ts'

export const pnpmYamlFormat: RegistryFormat = {
  registryOf(text) {
    const values = yamlValues(text)
    return textAt(values, ['registries', 'default']) ?? textAt(values, ['registry'])
  },
  setRegistry(text, url) {
    const values = yamlValues(text)
    const wanted = structuredClone(values)
    const editor = createLineEditor(text)
    const inner = textAt(values, ['registries', 'default'])
    if (inner !== undefined) {
      setScalar(editor, ['registries', 'default'], url)
      Object.assign(wanted.registries as YamlValues, { default: url })
    }
    if (inner === undefined || textAt(values, ['registry']) !== undefined) {
      setScalar(editor, ['registry'], url)
      wanted.registry = url
    }
    return checkedYaml(editor, wanted)
  },
}
