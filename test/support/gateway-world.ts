/** A gateway on loopback with a fake node behind it and a faulty upstream behind that: the world of most gateway tests. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import supertest from 'supertest'
import type { Logger } from '@catalog-p2p/core'
import {
  createGateway,
  npmConfigFrom,
  type Gateway,
  type GatewayOptions,
} from '@catalog-p2p/gateway'
import { createFakeNode, type FakeNode } from './fake-node.ts'
import type { FixturePackage } from './fixture-packages.ts'
import { startUpstream, type FaultyUpstream, type UpstreamOptions } from './registries/upstream.ts'

export interface GatewayWorld extends AsyncDisposable {
  readonly upstream: FaultyUpstream
  readonly node: FakeNode
  readonly gateway: Gateway
  readonly cachePath: string
  /** Without a trailing slash. */
  readonly url: string
  /** `host:port` of it. */
  readonly host: string
  readonly http: ReturnType<typeof supertest>
  /** GET with the body as bytes, whatever it is; not decoded. */
  get(path: string, headers?: Record<string, string>): Promise<BytesAnswer>
  /** `event {facts}` of all that was logged. */
  readonly logged: readonly string[]
  /** Stops this gateway and starts another on the same cache and node. */
  restart(options?: GatewayOptions): Promise<void>
}

export interface BytesAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Buffer
}

export interface WorldOptions extends GatewayOptions {
  /** npm's configuration; `{upstream}` in a key or value becomes the upstream's URL, `{host}` its `host:port`. */
  readonly npmrc?: Readonly<Record<string, string>>
  readonly packages?: readonly FixturePackage[]
  readonly registry?: UpstreamOptions
}

export const TOKEN = 'a token for tests only'

export async function gatewayWorld(options: WorldOptions = {}): Promise<GatewayWorld> {
  const { npmrc, packages = [], registry, ...given } = options
  const upstream = await startUpstream(packages, registry)
  const node = createFakeNode()
  const cachePath = await mkdtemp(join(tmpdir(), 'catalog-gateway-'))
  const logged: string[] = []
  const filled = Object.entries({ registry: '{upstream}', ...npmrc }).map((entry) =>
    entry.map((text) =>
      text.replaceAll('{upstream}', upstream.url).replaceAll('{host}', new URL(upstream.url).host),
    ),
  )
  const npmConfig = npmConfigFrom(Object.fromEntries(filled) as Record<string, string>)
  const defaults: GatewayOptions = {
    ...{ port: 0, addresses: ['127.0.0.1'], cachePath, adminToken: TOKEN, upstreamRetries: 1 },
    // Stands for npm's own unless a test says otherwise.
    ...{ publicRegistries: [upstream.url], ownerKeyPath: `${cachePath}.key` },
    ...{ upstreamTimeoutMs: 5_000, drainTimeoutMs: 500, ...given },
  }
  let gateway: Gateway
  let url = ''
  async function start(more: GatewayOptions): Promise<void> {
    gateway = createGateway({ node, log: recorder(logged), npmConfig }, { ...defaults, ...more })
    url = (await gateway.start()).urls[0]?.slice(0, -1) ?? ''
  }
  await start({})
  return {
    ...{ upstream, node, logged, cachePath },
    get gateway() {
      return gateway
    },
    get url() {
      return url
    },
    get host() {
      return new URL(url).host
    },
    get http() {
      return supertest(url)
    },
    async get(path, headers = {}) {
      const response = await fetch(url + path, { headers: { 'accept-encoding': '', ...headers } })
      const body = Buffer.from(await response.arrayBuffer())
      return { status: response.status, headers: Object.fromEntries(response.headers), body }
    },
    async restart(more = {}) {
      await gateway.stop()
      await start(more)
    },
    async [Symbol.asyncDispose]() {
      await gateway.stop()
      await upstream.stop()
      for (const path of [cachePath, `${cachePath}.key`]) {
        await rm(path, { recursive: true, force: true })
      }
    },
  }
}

function recorder(lines: string[]): Logger {
  const at =
    (level: string) =>
    (event: string, facts: object = {}): void => {
      lines.push(`${level} ${event} ${JSON.stringify(facts)}`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
