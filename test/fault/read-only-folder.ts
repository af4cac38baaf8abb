/**
 * A child process for read-only-folder.test.ts: a daemon on the store in argv[2], which somebody else has filled and nobody
 * may write to. Says, as JSON, what it has (argv[3] is a digest) and what it logged.
 */
import { parseDigest } from '@catalog-p2p/core'
import { resolveConfig } from '../../gateway/src/config/resolve.ts'
import { runDaemon } from '../../gateway/src/cli/start/run-daemon.ts'
import { npmConfigFrom } from '../../gateway/src/upstream/npmrc.ts'
import { createCollectingLogger } from '../support/collecting-logger.ts'

const [store = '', digest = ''] = process.argv.slice(2)

const flags = { store, port: '0', 'network.port': '0', 'loopback-only': true, 'peers-only': true }
const places = { configFolder: '/nonexistent', cwd: '/', home: '/nonexistent', defaultStore: store }
const config = resolveConfig({ flags, env: {}, ...places })
const log = createCollectingLogger()
const setup = { version: '0.0.0', previousRegistry: undefined, npmConfig: npmConfigFrom({}) }
const daemon = await runDaemon({ config, log, ...setup })
const health = await fetch(new URL('-/catalog/health', daemon.info.url))
const { bytes } = await daemon.node.get(parseDigest(digest))
await daemon.stop()
const warnings = log.lines.filter(({ level }) => level === 'warn').map(({ event }) => event)
process.stdout.write(JSON.stringify({ health: health.status, size: bytes?.byteLength, warnings }))
process.exit()
