/** A registry on loopback with a few packages of some hundred bytes, and one more to warm up with, as a child process. */
import { makePackage } from '../../test/support/fixture-packages.ts'
import { startRegistry, type LoopbackRegistry } from '../../test/support/registries/registry.ts'
import { answerCalls } from './child.ts'

let registry: LoopbackRegistry | undefined

answerCalls(
  {
    async start(options: { names: readonly string[] }) {
      const packages = options.names.map((name) => makePackage(name, '1.0.0'))
      registry = await startRegistry({ packages, tarballs: 'self' })
      return { url: registry.url, integrities: packages.map(({ integrity }) => integrity) }
    },
  },
  async () => await registry?.stop(),
)
