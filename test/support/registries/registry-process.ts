/**
 * The registry stand-in as a program of its own, for tests whose machines are elsewhere than the test:
 * prints its URL on a line, serves the fixtures until its standard input ends. With arguments it gives
 * what matches the first to nobody but who shows the second.
 */
import { fixturePackages } from '../fixture-packages.ts'
import { startRegistry } from './registry.ts'
import { startUpstream } from './upstream.ts'

const [walled, authorization = ''] = process.argv.slice(2)
const packages = fixturePackages()
const registry =
  walled === undefined ? await startRegistry({ packages }) : await startUpstream(packages)
if (walled !== undefined && 'wall' in registry) registry.wall(new RegExp(walled), [authorization])
process.stdout.write(`${registry.url}\n`)
process.stdin.resume()
process.stdin.once('end', () => void registry.stop())
