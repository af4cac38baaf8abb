/**
 * Certificates and revocation lists between peers: asks for those of the roots in the trust file, at the start, when a peer has
 * come, and now and then; answers for every root that it knows. What comes is worth what its root's signature makes it: a peer
 * can hold back and never forge, and an older list replaces nothing.
 */
import {
  isCatalogError,
  type Answering,
  type CatalogNode,
  type KeyId,
  type Logger,
} from '@catalog-p2p/core'
import { CERTIFICATES, organisationMark } from './certificate-messages.ts'
import type { CertificateBook } from './certificate-book.ts'
import { statementsOf } from './organisation.ts'

export interface CertificateExchangeDependencies {
  readonly node: Pick<CatalogNode, 'id' | 'questions' | 'onEvent'>
  readonly book: CertificateBook
  /** Of the trust file. */
  readonly roots: () => readonly KeyId[]
  /** Names that never reach a peer. */
  readonly isPrivate: (name: string) => boolean
  readonly log: Logger
}

export interface CertificateExchange {
  /** Asks peers now what they know of these roots. @throws `signal.reason` */
  learn(roots: readonly KeyId[], signal: AbortSignal): Promise<void>
  /** Resolves when nobody is being asked or answered any more. */
  stop(): Promise<void>
}

/** Asked about one root, the best first. */
const MAX_PEERS = 8
const MAX_ROOTS = 64
const MAX_STREAMS_PER_PEER = 2
const ASK_AGAIN_MS = 30 * 60_000

export function startCertificateExchange(
  deps: CertificateExchangeDependencies,
): CertificateExchange {
  const { node, book, roots, log } = deps
  const stopping = new AbortController()
  const answering: Answering = node.questions.answer(CERTIFICATES, {
    maxStreamsPerPeer: MAX_STREAMS_PER_PEER,
    answer: ({ mark }) => Promise.resolve(answer(deps, mark)),
  })

  async function ask(peer: string, root: KeyId, signal: AbortSignal): Promise<void> {
    try {
      const request = { mark: organisationMark(root, peer) }
      const found = await node.questions.ask(CERTIFICATES, { peer, request, signal })
      if (found === undefined) return
      const { offence, isChanged } = await book.take(root, found)
      if (offence !== undefined) node.questions.penalize(peer, `certificates: ${offence}`)
      if (isChanged) log.info('certificates.taken-in', { root, peer })
    } catch (error) {
      signal.throwIfAborted()
      log.debug('certificates.not-from-peer', { peer, error })
      if (isCatalogError(error, 'PEER_MISBEHAVED')) node.questions.penalize(peer, error.message)
    }
  }

  async function askAll(
    peers: readonly string[],
    wanted: readonly KeyId[],
    signal: AbortSignal,
  ): Promise<void> {
    const asked = wanted
      .slice(0, MAX_ROOTS)
      .flatMap((root) => peers.map((peer) => ({ peer, root })))
    await Promise.all(asked.map(({ peer, root }) => ask(peer, root, signal)))
  }

  /** In the background. */
  function refresh(peers: readonly string[]): void {
    const { signal } = stopping
    const wanted = roots()
    if (wanted.length === 0 || peers.length === 0) return
    running = Promise.all([running, askAll(peers, wanted, signal).catch(() => undefined)])
  }

  let running: Promise<unknown> = Promise.resolve()
  const unlisten = node.onEvent((event) => {
    if (event.type === 'peer-connected') refresh([event.peer])
  })
  const best = (): readonly string[] => node.questions.peers().slice(0, MAX_PEERS)
  const timer = setInterval(() => refresh(best()), ASK_AGAIN_MS).unref()
  refresh(best())
  return {
    learn: (wanted, signal) => askAll(best(), wanted, AbortSignal.any([signal, stopping.signal])),
    async stop() {
      clearInterval(timer)
      unlisten()
      stopping.abort(new Error('the gateway is stopping'))
      await answering.stop()
      await running
    },
  }
}

function answer(
  { node, book, isPrivate }: CertificateExchangeDependencies,
  mark: string,
): ReturnType<typeof statementsOf> | undefined {
  const root = book.roots().find((each) => organisationMark(each, node.id) === mark)
  if (root === undefined) return undefined
  const known = book.of(root)
  const certificates = known.certificates.filter(({ said }) => !said.names.some(isPrivate))
  return statementsOf({ ...known, certificates })
}
