/**
 * One machine of the demo: a node and its gateway, on loopback. Started by demo.ts with its settings as argument, and queried over
 * IPC. It is also the shortest program that serves a registry from peers.
 */
import { createNode } from '@catalog-p2p/core'
import { createGateway, DEFAULT_REGISTRY } from '@catalog-p2p/gateway'

export interface DemoSettings {
  readonly storePath: string
  /** null: no registry; undefined: the one that npm is configured with. */
  readonly upstream: null | undefined
  readonly bootstrap: readonly string[]
}

const settings = JSON.parse(process.argv[2] ?? '{}') as DemoSettings
const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (event: string, facts?: unknown) => console.error(event, facts),
  error: (event: string, facts?: unknown) => console.error(event, facts),
}

const node = await createNode(
  {
    store: { path: settings.storePath },
    network: {
      loopbackOnly: true,
      port: 0,
      mdns: false,
      dht: false,
      bootstrap: [...settings.bootstrap],
    },
  },
  { log },
)
const { upstream } = settings
// The demo's project has public packages only, from whatever mirror they come.
const publicRegistries = [process.env.npm_config_registry ?? DEFAULT_REGISTRY]
const gateway = createGateway(
  { node, log },
  { port: 0, cachePath: settings.storePath, upstream, publicRegistries },
)
const { port } = await gateway.start()

process.on('message', () => {
  process.send?.({ port, stats: node.stats(), peers: node.peers(), gateway: gateway.stats() })
})
process.on('disconnect', () => {
  gateway
    .stop()
    .then(() => node.close())
    .then(
      () => process.exit(0),
      () => process.exit(1),
    )
})
process.send?.({ ready: true })
