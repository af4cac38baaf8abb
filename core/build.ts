/**
 * The core as published. QUIC's and lz4's native code stays in their packages, where npm puts the binary of the platform; so do
 * UPnP and Falcon, which few need.
 */
import { buildPackage } from '../packaging/bundle.ts'
import type { Plugin } from 'rolldown'

const QUIC = '@chainsafe/libp2p-quic'
/** In its package, not among its exports: found as core/src/host/libp2p/quic/quic-read-size.ts finds it, so that both see the same classes. */
const BINDING = 'napi.js'

await buildPackage({
  home: import.meta.dirname,
  entries: { index: 'src/index.ts' },
  outside: ['lz4-napi', '@libp2p/upnp-nat', '@noble/post-quantum'],
  plugins: [quicBinding()],
})

/** QUIC's JavaScript is bundled, or it would load a second libp2p beside ours; what loads the native code is not. */
function quicBinding(): Plugin {
  const virtual = `\0${QUIC}/${BINDING}`
  return {
    name: 'quic-binding',
    resolveId(id, importer) {
      return id === `./${BINDING}` && importer?.replaceAll('\\', '/').includes(`/${QUIC}/`)
        ? virtual
        : null
    },
    async load(id) {
      if (id !== virtual) return null
      const place = new URL(BINDING, import.meta.resolve(QUIC)).href
      const names = Object.keys((await import(place)) as object)
      return `const place = new URL(${JSON.stringify(BINDING)}, import.meta.resolve(${JSON.stringify(QUIC)}))
export const { ${names.join(', ')} } = await import(place.href)
`
    },
  }
}
