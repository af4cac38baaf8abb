/**
 * Whose a daemon is that left no daemon.json for us: a service of the machine's, or of anybody who was the first to open the port.
 * Linux says whose a listening socket is (https://docs.kernel.org/networking/proc_net_tcp.html); elsewhere nobody is believed.
 */
import { readFile } from 'node:fs/promises'

/** The kernel's word for listening. */
const LISTEN = '0A'
/** What 127.0.0.1 leads to: that address, or any, also of a socket for both IP versions; as the kernel writes them. */
const ADDRESSES = new Set([
  ...['0100007F', '7F000001', '00000000', '0'.repeat(32)],
  ...['0000000000000000FFFF00000100007F', '00000000000000000000FFFF7F000001'],
])

/** Whether only this user, or who may run programs as a system account, can have opened that port of this machine. */
export async function isOwnOrSystems(port: number): Promise<boolean> {
  const own = process.getuid?.()
  if (process.platform !== 'linux' || own === undefined) return false
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'latin1').catch(() => '')),
  )
  const owners = tables.flatMap((table) => ownersIn(table, port))
  return owners.length > 0 && owners.every((uid) => uid === own || isSystems(uid))
}

/** User ids of what listens there for 127.0.0.1, from the text of /proc/net/tcp or tcp6. */
export function ownersIn(table: string, port: number): number[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , uid] = line.trim().split(/\s+/)
    const [address = '', at] = local.split(':')
    const isIt = state === LISTEN && at === wanted && ADDRESSES.has(address)
    return isIt && uid !== undefined ? [Number(uid)] : []
  })
}

/** Accounts that no person logs in as: distributions' own, and those that systemd makes up for a service (DynamicUser). */
export function isSystems(uid: number): boolean {
  return (uid >= 0 && uid < 1_000) || (uid >= 61_184 && uid <= 65_519)
}
