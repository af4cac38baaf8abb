/** Listens to what machines say to all others (multicast DNS), as anybody on their network can. */
import { once } from 'node:events'
import type { Machine } from './namespaces.ts'

/** Prints, for each packet, where it came from and what it holds. */
const LISTEN = `
const socket = require('node:dgram').createSocket({ type: 'udp4', reuseAddr: true })
socket.on('message', (bytes, { address }) => console.log(address, bytes.toString('latin1').replace(/\\W+/g, '')))
socket.bind(5353, () => socket.addMembership('224.0.0.251', process.argv[1]))
process.stdin.on('end', () => process.exit()).resume()
console.log('ready')`

export interface Ear extends AsyncDisposable {
  /** All that a machine has said so far; of its text only letters, digits and underscores. */
  saidBy(machine: Machine): string
}

export async function listenOn(machine: Machine): Promise<Ear> {
  const child = machine.spawn(process.execPath, ['-e', LISTEN, machine.ipv4], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  let heard = ''
  child.stdout?.on('data', (bytes: Buffer) => (heard += bytes.toString('latin1')))
  if (child.stdout !== null) await once(child.stdout, 'data')
  return {
    saidBy: ({ ipv4 }) =>
      heard
        .split('\n')
        .filter((line) => line.startsWith(`${ipv4} `))
        .join('\n'),
    async [Symbol.asyncDispose]() {
      child.stdin?.end()
      await ended
    },
  }
}
