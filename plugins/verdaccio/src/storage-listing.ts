/** Lists the packages of Verdaccio's storage, where its storage plugin can do that. */
import { isObject, type LocalStorage } from './verdaccio.ts'

type Callback = (error?: unknown) => void
export type Listing = (
  onPackage: (item: unknown, callback: Callback) => void,
  onEnd: Callback,
  isName: (name: string) => boolean,
) => void

/** undefined when this storage plugin can't list its packages. */
export function listingOf(localStorage: Pick<LocalStorage, 'storagePlugin'>): Listing | undefined {
  const plugin = localStorage.storagePlugin
  const search = isObject(plugin) ? plugin['search'] : undefined
  if (typeof search !== 'function' || search.length < 2) return undefined
  return (search as Listing).bind(plugin)
}

/** Visits one package after the other. */
export function forEachPackage(
  list: Listing,
  visit: (name: string) => Promise<void>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (error?: unknown): void => {
      if (error === undefined || error === null) resolve()
      else if (error instanceof Error) reject(error)
      else reject(new Error('the storage could not list its packages'))
    }
    const onPackage = (item: unknown, callback: Callback): void => {
      const name = isObject(item) ? item['name'] : undefined
      if (typeof name !== 'string') return callback(null)
      // Outside of the storage's callback, so that a long list does not become a deep stack.
      setImmediate(() => {
        visit(name).then(() => callback(null), callback)
      })
    }
    list(onPackage, finish, (name) => /^[^.@/\\][^/\\]*$/.test(name))
  })
}
