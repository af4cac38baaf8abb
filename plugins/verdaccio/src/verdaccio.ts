/**
 * The parts of Verdaccio 6 that the plugin uses, as narrow interfaces, and the check that they exist. Verdaccio has no plugin kind
 * for uplinks, so these are internals: an unexpected shape is reported, never guessed at.
 * https://verdaccio.org/docs/plugin-middleware
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'

/** Emits `content-length` before its data, when the length is known. */
export interface TarballStream extends Readable {
  abort(): void
}

/** What is written goes into the storage; emits `open`, then `success` or `error`. */
export interface UploadStream extends Duplex {
  abort(): void
  /** Stores the file: all of it has been written. */
  done(): void
}

export interface Uplink {
  /** Its key in the configuration; uplinks that Verdaccio generates have none. */
  readonly upname?: string
  /** Failed requests since the last answer. */
  readonly failed_requests?: number
  fetchTarball(url: string): TarballStream
  /** Used by fetchTarball. */
  request?(...args: readonly unknown[]): unknown
}

export type Callback = (error?: unknown, ...rest: unknown[]) => void

export interface LocalStorage {
  /** `distFile` is given for tarballs of an uplink, and absent for those published here. */
  addTarball(name: string, filename: string, distFile?: unknown): UploadStream
  getTarball(name: string, filename: string): TarballStream
  getPackageMetadataAsync(name: string): Promise<unknown>
  removeTarball(name: string, filename: string, revision: string, callback: Callback): void
  removePackage(name: string, callback: Callback): void
  readonly storagePlugin?: unknown
}

export interface VerdaccioStorage {
  readonly uplinks: Readonly<Record<string, Uplink>>
  readonly localStorage: LocalStorage
  readonly filters?: readonly unknown[]
  getTarball(name: string, filename: string): TarballStream
}

export interface VerdaccioRequest extends IncomingMessage {
  readonly path: string
}

export interface VerdaccioResponse extends ServerResponse {
  readonly locals: { report_error?: (error: unknown) => void }
}

export type Next = (error?: unknown) => void
export type Handler = (req: VerdaccioRequest, res: VerdaccioResponse, next: Next) => void

export interface VerdaccioApp {
  use(handler: Handler): unknown
  get(path: string, handler: Handler): unknown
}

type Method = (facts: object, message: string) => void

export interface VerdaccioLogger {
  readonly trace: Method
  readonly debug: Method
  readonly info: Method
  readonly warn: Method
  readonly error: Method
}

export type Inspected =
  | {
      readonly ok: true
      readonly storage: VerdaccioStorage
      readonly uplinkPrototype: Uplink | undefined
    }
  | { readonly ok: false; readonly missing: string }

const STORAGE_METHODS = ['getTarball']
const LOCAL_METHODS = [
  'addTarball',
  'getTarball',
  'getPackageMetadataAsync',
  'removeTarball',
  'removePackage',
]

/** Checks that everything the plugin wraps exists. */
export function inspectStorage(value: unknown): Inspected {
  const missing = missingMethod(value, STORAGE_METHODS, 'storage')
  if (missing !== undefined) return { ok: false, missing }
  const storage = value as VerdaccioStorage
  const missingLocal = missingMethod(storage.localStorage, LOCAL_METHODS, 'storage.localStorage')
  if (missingLocal !== undefined) return { ok: false, missing: missingLocal }
  if (!isObject(storage.uplinks)) return { ok: false, missing: 'storage.uplinks' }
  const uplinks = Object.values(storage.uplinks)
  for (const uplink of uplinks) {
    const missingFetch = missingMethod(uplink, ['fetchTarball'], 'storage.uplinks[*]')
    if (missingFetch !== undefined) return { ok: false, missing: missingFetch }
  }
  const [first] = uplinks
  // The class is wrapped, because Verdaccio creates more uplinks of it for tarballs on other hosts.
  const uplinkPrototype = prototypeWith(first, 'fetchTarball')
  const areAlike = uplinks.every((each) => Object.getPrototypeOf(each) === uplinkPrototype)
  if (uplinks.length > 0 && (uplinkPrototype === undefined || !areAlike)) {
    return { ok: false, missing: 'one class with fetchTarball of all storage.uplinks' }
  }
  return { ok: true, storage, uplinkPrototype }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function missingMethod(
  value: unknown,
  methods: readonly string[],
  path: string,
): string | undefined {
  if (!isObject(value)) return path
  const method = methods.find((each) => typeof value[each] !== 'function')
  return method === undefined ? undefined : `${path}.${method}`
}

function prototypeWith(uplink: Uplink | undefined, method: string): Uplink | undefined {
  if (uplink === undefined || Object.hasOwn(uplink, method)) return undefined
  const prototype = Object.getPrototypeOf(uplink) as unknown
  return isObject(prototype) && Object.hasOwn(prototype, method)
    ? (prototype as unknown as Uplink)
    : undefined
}
