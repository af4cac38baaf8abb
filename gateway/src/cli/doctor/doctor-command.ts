/** `catalog doctor`: one line per check; every failure and warning comes with the next step. */
import { carrierPortOf, parseNodeOptions } from '@catalog-p2p/core'
import type { Config } from '../../config/resolve.ts'
import { findDaemon } from '../../admin/daemon-client.ts'
import { DEFAULT_REGISTRY } from '../../upstream/default-registry.ts'
import { npmConfigContext, readNpmConfig } from '../../upstream/npmrc.ts'
import { withoutUser } from '../../upstream/registries.ts'
import { upstreamBeforeUse } from '../use/upstream-before-use.ts'
import { loadConfig, portOf, useDependencies, type Invocation } from '../shell/invocation.ts'
import { EXIT } from '../shell/exit-codes.ts'
import type { Style, Terminal } from '../shell/terminal.ts'
import { ok, type Finding, type Verdict } from './check.ts'
import { checkClients } from './client-checks.ts'
import * as daemonChecks from './daemon-checks.ts'
import { checkClock, checkDisk, checkNode, checkStore } from './machine-checks.ts'
import * as networkChecks from './network-checks.ts'
import { checkSwarm } from './swarm-check.ts'

export async function doctorCommand(invocation: Invocation): Promise<number> {
  const { terminal } = invocation
  const config = loadConfig(invocation)
  const findings = await examine(invocation, config)
  if (config.json) terminal.print(JSON.stringify({ findings }))
  else print(terminal, findings)
  return findings.some(({ verdict }) => verdict === 'fail') ? EXIT.failed : EXIT.ok
}

/** All checks, side by side. */
export async function examine(invocation: Invocation, config: Config): Promise<Finding[]> {
  const { terminal, signal } = invocation
  const { network, store } = parseNodeOptions(config.node)
  const port = portOf(config)
  const daemon = await findDaemon(config.storePath, port)
  const status = await daemon?.status({ signal })
  const upstream =
    status === undefined ? await expectedUpstream(terminal, config) : status.gateway.upstream
  const usedBytes = status?.node.store.bytes ?? 0
  const gatewayUrl = daemon?.url ?? `http://127.0.0.1:${port}/`
  const families = (['ipv4', 'ipv6'] as const).filter(
    (family) => network.family === 'any' || network.family === family,
  )
  const checks: Promise<Finding | readonly Finding[]>[] = [
    Promise.resolve([
      checkNode(process.version),
      daemonChecks.checkDaemon(daemon),
      checkSwarm(config, daemon, status),
    ]),
    checkStore(config.storePath),
    checkDisk(config.storePath, { quotaBytes: store.quotaBytes, usedBytes }),
    ...(daemon !== undefined && status !== undefined
      ? [
          Promise.resolve([
            daemonChecks.checkStoreHealth(status),
            daemonChecks.checkListening(status),
            daemonChecks.checkPeers(status),
            daemonChecks.checkReach(status),
            daemonChecks.checkDht(status),
            daemonChecks.checkForks(status),
          ]),
          daemonChecks.checkUpstream(daemon.url, upstream),
        ]
      : [
          networkChecks.checkRegistryPort(port),
          ...families.map((family) => networkChecks.checkPeerPort(network.port, family)),
          ...families.map((family) =>
            networkChecks.checkCarrierPort(carrierPortOf(network), family),
          ),
          daemonChecks.checkUpstreamDirectly(upstream),
        ]),
    checkClock(upstream),
    ...(network.quic
      ? families.map(networkChecks.checkUdp)
      : [Promise.resolve(ok('UDP', 'off, as told'))]),
    ...(network.mdns
      ? families.map(networkChecks.checkMulticast)
      : [Promise.resolve(ok('mDNS', 'off, as told'))]),
    checkClients(useDependencies(terminal), gatewayUrl),
  ]
  return (await Promise.all(checks)).flat()
}

/** The registry of a daemon that is started now. */
async function expectedUpstream(terminal: Terminal, config: Config): Promise<string | null> {
  const { upstream } = config.gateway
  if (upstream !== undefined) return upstream === null ? null : askable(upstream)
  const before = await upstreamBeforeUse(useDependencies(terminal))
  return askable(before ?? readNpmConfig(npmConfigContext()).get('registry') ?? DEFAULT_REGISTRY)
}

/** fetch refuses URLs with a user in them; text that is not a URL is returned unchanged. */
function askable(text: string): string {
  return URL.canParse(text) ? withoutUser(text) : text
}

const SIGNS: Readonly<Record<Verdict, { sign: string; style: Style }>> = {
  ok: { sign: 'ok  ', style: 'green' },
  warn: { sign: 'warn', style: 'yellow' },
  fail: { sign: 'FAIL', style: 'red' },
}

function print(terminal: Terminal, findings: readonly Finding[]): void {
  const width = Math.max(...findings.map(({ name }) => name.length))
  for (const { name, verdict, text, next } of findings) {
    const { sign, style } = SIGNS[verdict]
    terminal.print(`${terminal.paint(style, sign)}  ${name.padEnd(width)}  ${text}`)
    if (next !== undefined)
      terminal.print(`${' '.repeat(width + 8)}${terminal.paint('cyan', `-> ${next}`)}`)
  }
  const count = (verdict: Verdict): number =>
    findings.filter((finding) => finding.verdict === verdict).length
  terminal.print(`${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed`)
}
