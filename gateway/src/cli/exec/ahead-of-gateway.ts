/**
 * An install by npm that starts before its gateway does: what it asks waits at the front door until the gateway is there, the registry has
 * been tried through it, and peers that were named have been heard, most of which is over before a client asks for anything. Where
 * nothing comes of the gateway the registry answers: the command runs as it would without us. So this is for clients that can be sent
 * on, and for registries that want no credentials of them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../../config/resolve.ts'
import type { ClientCommand } from '../../clients/client-command.ts'
import type { OwnRegistry } from '../../clients/own-registry.ts'
import type { RedirectPlan } from '../../clients/redirect.ts'
import { SkippedClient } from '../../clients/skipped-client.ts'
import type { ExecGateway, ExecStatus } from './exec-gateway.ts'
import type { FrontDoor } from './front-door.ts'
import { waitForPeers } from './wait-for-peers.ts'

/** Of a host, or of whatever is asked: the ways in which npm's files and variables have them. */
const CREDENTIALS = /^\/\/|^_/
/** Credentials on the command line, or a file that may have some; npm takes abbreviations. */
const CREDENTIAL_WORD = /^-+(?:\/\/|_|userc|globalc)/i
/** For which a start that is under way is waited for after the command, which may have asked for nothing. */
const AFTERWARDS_MS = 5_000

interface Chosen {
  readonly client: ClientCommand | undefined
  readonly plan: RedirectPlan
  readonly own: OwnRegistry
}

interface Wanted {
  readonly config: Pick<Config, 'peersOnly'>
  readonly frozenTrust: boolean
}

/** As far as the command line tells: any other command may bring credentials of its own while it runs. */
export function mightGoAhead(
  { config, frozenTrust }: Wanted,
  client: ClientCommand | undefined,
): boolean {
  if (client?.family !== 'npm' || !client.isInstall) return false
  // Without a registry nobody can be sent on; and what may be refused for the trust it needs is looked at first.
  if (config.peersOnly || frozenTrust) return false
  return !client.handedOn.some((word) => CREDENTIAL_WORD.test(word))
}

export function mayGoAhead(wanted: Wanted, { client, plan, own }: Chosen): boolean {
  if (!mightGoAhead(wanted, client) || plan.needsTarballUrl) return false
  // One that was chosen for the gateway is none that the client asks without us.
  if (plan.registry !== own.registry) return false
  const { username, password } = new URL(plan.registry)
  const isOpen = username === '' && password === '' && !own.hasUnscopedCredentials
  return isOpen && ![...own.npm.keys()].some((key) => CREDENTIALS.test(key))
}

export interface ComingGateway {
  readonly door: FrontDoor
  /** undefined: it did not start in time. */
  readonly starting: Promise<ExecGateway | undefined>
  readonly buildToken: string
  /** Nothing more urgent is to be done: it may be loaded. */
  load(): void
  readonly signal: AbortSignal
  /** @throws SkippedClient when the registry can't be used through it */
  readonly tryRegistry: (gateway: ExecGateway) => Promise<unknown>
  /** Stops it, and leaves the door to `registry`. */
  stop(): Promise<void>
}

export interface AheadOf {
  readonly gateway: ExecGateway
  readonly before: Promise<ExecStatus>
  /** The command has ended: nothing is waited for any more but, briefly, a start that is under way. */
  readonly ended: () => void
}

/** @param name of the client */
export function aheadOf(
  coming: ComingGateway,
  { name, registry }: { readonly name: string; readonly registry: string },
): AheadOf {
  const { door, starting } = coming
  const ended = Promise.withResolvers<void>()
  const before = begin(coming, ended.promise).then(
    (status) => {
      door.open()
      return status
    },
    (error: unknown) => {
      door.redirect(registry)
      void coming.stop()
      throw new Error(explain(error, name))
    },
  )
  before.catch(() => undefined) // said when the command runs
  const there = async (): Promise<ExecGateway> => {
    const gateway = await starting
    if (gateway === undefined) throw new Error('it did not start in time')
    return gateway
  }
  let reason: (() => string | undefined) | undefined
  void there().then(
    (gateway) => (reason = () => gateway.failure?.()),
    () => undefined, // `before` says why
  )
  return {
    before,
    ended: () => ended.resolve(),
    gateway: {
      ...{ url: door.url, kind: 'own', expectsPeers: false, hasHeardEnough: () => false },
      status: async () => (await there()).status(),
      buildToken: () => Promise.resolve(coming.buildToken),
      meetPeers() {
        coming.load()
        const meet = (gateway: ExecGateway): void => gateway.meetPeers?.()
        void there().then(meet, () => undefined)
      },
      failure: () => reason?.(),
      stop: () => coming.stop(),
    },
  }
}

async function begin(
  { starting, signal, tryRegistry }: ComingGateway,
  ended: Promise<void>,
): Promise<ExecStatus> {
  const afterwards = ended.then(() => sleep(AFTERWARDS_MS, undefined, { ref: false }))
  const gateway = await Promise.race([starting, afterwards])
  if (gateway === undefined) throw new Error('it did not start in time')
  const trying = tryRegistry(gateway)
  trying.catch(() => undefined) // it may be no longer wanted
  if (gateway.expectsPeers) gateway.meetPeers?.()
  await Promise.race([Promise.all([trying, waitForPeers(gateway, signal)]), ended])
  return gateway.status()
}

function explain(error: unknown, name: string): string {
  const { message } = error instanceof Error ? error : new Error(String(error))
  if (error instanceof SkippedClient) return `${name} is not pointed at the gateway: ${message}`
  return `the gateway did not start: ${message}`
}
