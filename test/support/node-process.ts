/**
 * A node as a program of its own, for tests that do to it what can't be done within one process (stop it by a signal, kill
 * it): takes its network options as JSON, holds blob(3 MiB) and blob(50 kB), prints its addresses on a line, and lives until
 * its standard input ends.
 */
import { createNode } from '../../core/src/node.ts'
import type { NodeOptions } from '../../core/src/options.ts'
import { blob } from './blobs.ts'

const network = JSON.parse(process.argv[2] ?? '{}') as NonNullable<NodeOptions['network']>
const node = await createNode({ network, transfer: { chunkSize: 64 * 1024 } })
await node.put(blob(3 * 1024 * 1024, 1).bytes)
await node.put(blob(50_000, 2).bytes)
process.stdout.write(`${JSON.stringify(node.stats().addresses)}\n`)
process.stdin.resume()
process.stdin.once('end', () => process.exit())
