/** The registry in Yarn Berry's ~/.yarnrc.yml. Yarn refuses plain HTTP unless the host is in `unsafeHttpWhitelist`. */
import { createLineEditor } from '../line-edits.ts'
import type { RegistryFormat } from '../registry-format.ts'
import { addToList, checkedYaml, listAt, setScalar, textAt, yamlValues } from '../yaml-edits.ts'

export const yarnrcFormat: RegistryFormat = {
  registryOf: (text) => textAt(yamlValues(text), ['npmRegistryServer']),
  setRegistry(text, url) {
    // Yarn builds tarball URLs from it and compares them as text: no trailing slash, as its own default.
    const server = url.replace(/\/$/, '')
    const { protocol, hostname } = new URL(url)
    const wanted = { ...yamlValues(text), npmRegistryServer: server }
    const editor = createLineEditor(text)
    setScalar(editor, ['npmRegistryServer'], server)
    if (protocol === 'http:') {
      const hosts = listAt(wanted, 'unsafeHttpWhitelist')
      if (!hosts.includes(hostname) && !hosts.includes('*')) {
        addToList(editor, 'unsafeHttpWhitelist', hostname)
        Object.assign(wanted, { unsafeHttpWhitelist: [hostname, ...hosts] })
      }
    }
    return checkedYaml(editor, wanted)
  },
}
