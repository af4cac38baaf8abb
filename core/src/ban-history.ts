/**
 * Carries bans over a restart: what peer scores record goes to the ban store, and what that remembers is restored at the
 * next start. A folder that can't be used costs only that memory: bans then end with the process. Never fails a node.
 */
import { canCreateFolder } from './disk/make-folder.ts'
import type { Logger } from './log.ts'
import { openBanStore, type BanStore } from './store/ban-store.ts'
import type { Clock } from './timing/clock.ts'
import type { PeerScoreOptions } from './transfer/peer-score.ts'

export interface BanHistory {
  /** For `createPeerScores`. */
  readonly scoreOptions: Pick<PeerScoreOptions, 'restored' | 'onRecord'>
  close(): void
}

export interface BanHistoryDeps {
  readonly clock: Clock
  readonly log: Logger
}

/** @param folder undefined: nothing is remembered */
export async function openBanHistory(
  folder: string | undefined,
  deps: BanHistoryDeps,
): Promise<BanHistory> {
  const bans = folder === undefined ? undefined : await openStore(folder, deps)
  if (bans === undefined) return { scoreOptions: {}, close: () => undefined }
  return {
    scoreOptions: { restored: restore(bans, deps.clock), onRecord: recordIn(bans, deps) },
    close: () => bans.close(),
  }
}

async function openStore(
  folder: string,
  { clock, log }: BanHistoryDeps,
): Promise<BanStore | undefined> {
  if (!(await canCreateFolder(folder))) return undefined
  try {
    return await openBanStore(folder, { clock, log })
  } catch (error) {
    log.debug('bans.not-kept', { folder, error })
    return undefined
  }
}

function restore(bans: BanStore, clock: Clock): NonNullable<PeerScoreOptions['restored']> {
  const now = clock.epochMs()
  return bans.load().map(({ kind, subject, strikes, untilMs }) => {
    const ban = { strikes, forMs: untilMs - now }
    return kind === 'group' ? { group: subject, ...ban } : { peer: subject, ...ban }
  })
}

function recordIn(
  bans: BanStore,
  { clock, log }: BanHistoryDeps,
): NonNullable<PeerScoreOptions['onRecord']> {
  return ({ strikes, forMs, ...ban }) => {
    const rest = { strikes, untilMs: clock.epochMs() + forMs }
    try {
      if ('group' in ban) bans.save({ kind: 'group', subject: ban.group, ...rest })
      else bans.save({ kind: 'peer', subject: ban.peer, ...rest })
    } catch (error) {
      log.debug('bans.not-kept', { error })
    }
  }
}
