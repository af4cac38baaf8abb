/**
 * The core as published. QUIC's and lz4's native code stays in their packages, where npm puts the binary of the platform; so do
 * UPnP and Falcon, which few need.
 */
import { pathToFileURL } from 'node:url'
import { buildPackage } from '../packaging/bundle.ts'
import type { Plugin } from 'rolldown'

const QUIC = '@chainsafe/libp2p-quic'
/** In its package, not among its exports: found as core/src/host/libp2p/quic-read-size.ts finds it, so that both see the same classes. */
const BINDING = 'napi.js'
const PREFIXES = /[\\/]kad-dht[\\/].*[\\/]generated-prefix-list\.js$/

await buildPackage({
  home: import.meta.dirname,
  entries: { index: 'src/index.ts' },
  outside: ['lz4-napi', '@libp2p/upnp-nat', '@noble/post-quantum'],
  placed: [PREFIXES],
  plugins: [quicBinding(), prefixesInFile()],
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

/**
 * The DHT has a table of 65,536 numbers, of which it needs a few every five minutes: half a megabyte of source and as much again
 * in memory. In a file of three bytes each it takes none.
 */
function prefixesInFile(): Plugin {
  const name = 'dht-prefixes.bin'
  return {
    name: 'prefixes-in-file',
    async load(id) {
      if (!PREFIXES.test(id)) return null
      const { default: prefixes } = (await import(pathToFileURL(id).href)) as {
        default: readonly number[]
      }
      const bytes = Buffer.alloc(3 * prefixes.length)
      prefixes.forEach((prefix, index) => bytes.writeUIntBE(prefix, 3 * index, 3))
      this.emitFile({ type: 'asset', fileName: name, source: bytes })
      return `import { closeSync, openSync, readSync } from 'node:fs'
export default new Proxy({}, { get: (_, index) => read(Number(index)) })
function read(index) {
  const file = openSync(new URL(${JSON.stringify(name)}, import.meta.url))
  try {
    const bytes = Buffer.alloc(3)
    readSync(file, bytes, 0, 3, 3 * index)
    return bytes.readUIntBE(0, 3)
  } finally {
    closeSync(file)
  }
}
`
    },
  }
}
