/** POST /-/catalog/guard/{status,update,check,affected}: what `catalog guard` and `catalog affected` ask of a running daemon. */
import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import { CatalogError, isCatalogError } from '@catalog-p2p/core'
import type { Artifacts } from '../artifacts/artifacts.ts'
import type { Guard, GuardStatus } from '../guard/guard.ts'
import type { Ledger, LedgerRow } from '../guard/ledger.ts'
import { parseBody } from '../http/json-body.ts'
import { isPackageName } from '../http/route.ts'

export interface GuardActions {
  readonly guard: Guard
  readonly artifacts: Pick<Artifacts, 'admit'>
  readonly servedVersions: Ledger
}

export interface GuardReport extends GuardStatus {
  /** Versions, by client, that this machine has given out and remembers. */
  readonly served: number
}

export interface CheckedVersion {
  readonly name: string
  readonly version: string
  /** undefined: it is given out. */
  readonly error?: string
}

export interface AffectedVersion extends LedgerRow {
  /** Of a record of known malware; null: none names it. */
  readonly malware: string | null
}

const packageSchema = z.object({
  name: z.string().max(300).refine(isPackageName, 'is not a package name'),
  version: z.string().min(1).max(256),
})
const checkBody = z.strictObject({ packages: z.array(packageSchema).max(20_000) })
const affectedBody = z.strictObject({
  name: packageSchema.shape.name.optional(),
  version: packageSchema.shape.version.optional(),
})

const CHECKED_AT_ONCE = 16
const MAX_ROWS = 10_000

/** @throws CatalogError INVALID_OPTIONS for a bad body, NOT_FOUND for an action that does not exist */
export async function runGuardAction(
  actions: GuardActions,
  action: string,
  { body, signal }: { body: unknown; signal: AbortSignal },
): Promise<unknown> {
  const { guard, servedVersions } = actions
  const report = (): GuardReport => ({ ...guard.status(), served: servedVersions.rows })
  switch (action) {
    case 'status':
      return report()
    case 'update':
      await guard.update()
      return report()
    case 'check': {
      const { packages } = parseBody(checkBody, body)
      const versions: CheckedVersion[] = []
      for (let at = 0; at < packages.length; at += CHECKED_AT_ONCE) {
        const some = packages.slice(at, at + CHECKED_AT_ONCE)
        versions.push(...(await Promise.all(some.map((each) => check(actions, each, signal)))))
        await setImmediate()
      }
      return { versions }
    }
    case 'affected': {
      const { name, version } = parseBody(affectedBody, body)
      return { versions: findAffected(actions, name, version).slice(0, MAX_ROWS) }
    }
    default:
      throw new CatalogError('NOT_FOUND', `no such guard action: ${action.slice(0, 40)}`)
  }
}

async function check(
  { artifacts }: GuardActions,
  { name, version }: z.output<typeof packageSchema>,
  signal: AbortSignal,
): Promise<CheckedVersion> {
  try {
    await artifacts.admit({
      name,
      version,
      file: undefined,
      integrity: undefined,
      client: undefined,
      signal,
    })
    return { name, version }
  } catch (error) {
    signal.throwIfAborted()
    if (!isCatalogError(error)) throw error
    return { name, version, error: error.message }
  }
}

/** Of a name, or of one of its versions; without a name everything that is known malware. */
function findAffected(
  { guard, servedVersions }: GuardActions,
  name: string | undefined,
  version: string | undefined,
): AffectedVersion[] {
  const names = name === undefined ? servedVersions.names() : [name]
  const rows = names.flatMap((each) =>
    name === undefined && !guard.isListed(each) ? [] : servedVersions.find(each, version),
  )
  const all = rows.map((row) => ({
    ...row,
    malware: guard.malwareId(row.name, row.version) ?? null,
  }))
  return name === undefined ? all.filter(({ malware }) => malware !== null) : all
}
