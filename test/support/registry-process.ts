/**
 * The registry stand-in as a program of its own, for tests whose machines are elsewhere than the test:
 * prints its URL on a line, serves the fixtures until its standard input ends.
 */
import { fixturePackages } from './fixture-packages.ts'
import { startRegistry } from './registry.ts'

const registry = await startRegistry({ packages: fixturePackages() })
process.stdout.write(`${registry.url}\n`)
process.stdin.resume()
process.stdin.once('end', () => void registry.stop())
