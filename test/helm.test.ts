/** The Helm chart, linted and rendered by the real Helm: it says what the example for kubectl says, and what its values change. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { parseCatalog } from './support/catalog-parser.ts'
import { createWorkspace, execute, isolatedEnvironment } from './support/client.ts'
import { EXAMPLES } from './support/example-files.ts'
import { kubeTool, whyNoKubeTools } from './support/machines/kube-tools.ts'
import { repositoryRoot } from './support/source-tree.ts'

const CHART = join(repositoryRoot, 'packaging/helm/catalog-p2p')

interface Container {
  readonly image: string
  readonly args: readonly string[]
  readonly env?: readonly object[]
  readonly ports: readonly { readonly containerPort: number; readonly hostPort?: number }[]
}
interface KubeObject {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly ports?: readonly object[]
    readonly selector?: { readonly matchLabels?: object }
    readonly template?: {
      readonly metadata: { readonly labels: object }
      readonly spec: { readonly containers: readonly Container[] }
    }
  }
}

test('has the version of what it starts', () => {
  const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as Record<string, string>
  const gateway = readFileSync(join(repositoryRoot, 'gateway/package.json'), 'utf8')
  const { version } = JSON.parse(gateway) as { version: string }
  expect(chart).toMatchObject({ version, appVersion: version })
})

const reason = whyNoKubeTools()
const why = reason === undefined ? '' : ` (skipped: ${reason})`
describe.skipIf(reason !== undefined)(`rendered by Helm${why}`, () => {
  let program = ''
  beforeAll(async () => {
    program = await kubeTool('helm')
  }, 60_000)

  async function helm(...args: string[]) {
    await using workspace = await createWorkspace()
    const env = isolatedEnvironment(workspace.path)
    return await execute(program, args, { cwd: workspace.path, env, timeoutMs: 30_000 })
  }

  async function render(...settings: string[]): Promise<KubeObject[]> {
    const sets = settings.flatMap((each) => ['--set', each])
    const args = ['template', 'catalog', CHART, '--namespace', 'catalog-p2p', ...sets]
    const { exitCode, output } = await helm(...args)
    expect(exitCode, output).toBe(0)
    return objectsOf(output)
  }

  test('nothing to complain of', async () => {
    const { exitCode, output } = await helm('lint', '--strict', CHART)
    expect(exitCode, output).toBe(0)
    expect(output).not.toMatch(/\[(?:WARNING|ERROR)\]/)
  })

  test('as it stands it is the example for kubectl', async () => {
    const rendered = await render()
    const kinds = rendered.map(({ kind }) => kind).toSorted()
    expect(kinds).toEqual(['DaemonSet', 'NetworkPolicy', 'Service'])
    const example = objectsOf(readFileSync(join(EXAMPLES, 'kubernetes/daemonset.yaml'), 'utf8'))
    expect(serviceOf(rendered).spec.ports).toEqual(serviceOf(example).spec.ports)
    const same = JSON.stringify(podOf(example))
      .replaceAll('"catalog-p2p"', '"images.example.com/catalog-p2p:0.1.0"')
      .replaceAll('/peers.', '/catalog-peers.')
    expect(podOf(rendered)).toEqual(JSON.parse(same))
  })

  test('its parts find each other, and the daemon takes its arguments', async () => {
    const rendered = await render('args={--fleet-metadata,--log-level=warn}', 'store.quota=5GiB')
    const [set, service] = [daemonSetOf(rendered), serviceOf(rendered)]
    const labels = set.spec.template?.metadata.labels
    expect(set.spec.selector?.matchLabels).toEqual(labels)
    expect(service.spec.selector).toEqual(labels)
    const policy = rendered.find(({ kind }) => kind === 'NetworkPolicy')
    expect(policy?.spec).toMatchObject({ podSelector: { matchLabels: labels } })
    const { config } = await parseCatalog([...(containerOf(rendered)?.args ?? [])])
    expect(config.node.store?.quotaBytes).toBe(5 * 2 ** 30)
    expect(config.gateway.fleetMetadata).toBe(true)
    for (const address of config.node.network?.bootstrap ?? []) {
      expect(address).toContain(`/dns4/${service.metadata.name}.catalog-p2p.svc/`)
    }
  })

  test('its values say where, for whom, and with which secret', async () => {
    const rendered = await render(
      ...['image.tag=1.2.3', 'port=4900', 'swarmSecret=our-swarm', 'networkPolicy.enabled=false'],
    )
    expect(rendered.map(({ kind }) => kind).toSorted()).toEqual(['DaemonSet', 'Service'])
    const container = containerOf(rendered)
    expect(container?.image).toBe('images.example.com/catalog-p2p:1.2.3')
    expect(container?.ports[0]).toMatchObject({ containerPort: 4874, hostPort: 4900 })
    const secretKeyRef = { name: 'our-swarm', key: 'swarm' }
    expect(container?.env).toEqual([{ name: 'CATALOG_SWARM', valueFrom: { secretKeyRef } }])
  })

  test('refuses a value that it does not have', async () => {
    const { exitCode, output } = await helm('template', CHART, '--set', 'store.qouta=1GiB')
    expect(exitCode).not.toBe(0)
    expect(output).toContain('qouta')
  })
})

function objectsOf(text: string): KubeObject[] {
  return [...parseAllDocuments(text)].map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as KubeObject
  })
}

const kindOf = (objects: readonly KubeObject[], kind: string): KubeObject => {
  const found = objects.find((each) => each.kind === kind)
  if (found === undefined) throw new Error(`no ${kind}`)
  return found
}
const daemonSetOf = (objects: readonly KubeObject[]): KubeObject => kindOf(objects, 'DaemonSet')
const serviceOf = (objects: readonly KubeObject[]): KubeObject => kindOf(objects, 'Service')
const podOf = (objects: readonly KubeObject[]) => daemonSetOf(objects).spec.template?.spec
const containerOf = (objects: readonly KubeObject[]) => podOf(objects)?.containers[0]
