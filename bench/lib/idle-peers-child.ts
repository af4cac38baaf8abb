/** Peers that hold nothing and ask for nothing, many in one process; and a store that is filled before a daemon takes it. */
import { readFileSync } from 'node:fs'
import { createNode, type CatalogNode } from '@catalog-p2p/core'
import { answerCalls } from './child.ts'
import { LOOPBACK, networkOf } from './machine.ts'

const AT_ONCE = 100
const nodes: CatalogNode[] = []

answerCalls(
  {
    /** So many, each connected to `address`. */
    async connect({ address, count }: { address: string; count: number }) {
      for (let made = 0; made < count; made += 1) {
        const node = await createNode({ network: networkOf(LOOPBACK) })
        nodes.push(node)
        await node.connect(address)
      }
    },
    /** Small artifacts, public ones. */
    async fill({ path, artifacts }: { path: string; artifacts: number }) {
      const node = await createNode({ network: networkOf(LOOPBACK), store: { path } })
      for (let from = 0; from < artifacts; from += AT_ONCE) {
        const batch = Array.from({ length: AT_ONCE }, (_, index) =>
          node.put(Buffer.from(`artifact ${from + index}`)),
        )
        await Promise.all(batch)
      }
      await node.close()
    },
    connected: () => nodes.filter((node) => node.peers().length > 0).length,
    /** Of how many artifacts one of them has heard. */
    heard: () => nodes[0]?.peers()[0]?.artifacts ?? 0,
    /** Sent over the loopback of the machine that this runs on, by anybody. */
    loopbackBytes: () => Number(readFileSync('/sys/class/net/lo/statistics/tx_bytes', 'utf8')),
  },
  async () => {
    await Promise.all(nodes.map((node) => node.close()))
  },
)
