/**
 * `npm run bench` runs every question, `npm run bench -- large-artifact --rounds 5` one of them. Results go to
 * bench/results as JSON with machine, versions and commit. See bench/README.md.
 */
import { execFileSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { arch, cpus, platform, totalmem } from 'node:os'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    megabytes: { type: 'string', default: '200' },
    mirror: { type: 'string' },
  },
})
const rounds = Number(values.rounds)

const questions: Readonly<Record<string, () => Promise<unknown>>> = {
  'large-artifact': async () => {
    const { run } = await import('./large-artifact.ts')
    return await run({ rounds, megabytes: Number(values.megabytes) })
  },
  replay: async () => {
    const { run } = await import('./replay.ts')
    return await run({ rounds, mirror: values.mirror })
  },
  'silent-peer': async () => {
    const { run } = await import('./silent-peer.ts')
    return await run({ rounds })
  },
  early: async () => {
    const { run } = await import('./early.ts')
    return await run({ rounds, mirror: values.mirror })
  },
  'no-peers': async () => {
    const { run } = await import('./no-peers.ts')
    return await run({ rounds, mirror: values.mirror })
  },
}

const chosen = positionals.length > 0 ? positionals : Object.keys(questions)
for (const name of chosen) {
  const question = questions[name]
  if (question === undefined) {
    console.error(`no benchmark named ${name}; there are: ${Object.keys(questions).join(', ')}`)
    process.exit(2)
  }
  console.log(`\n## ${name}\n`)
  const result = await question()
  const folder = new URL('./results/', import.meta.url)
  await mkdir(folder, { recursive: true })
  const file = new URL(`${new Date().toISOString().slice(0, 10)}-${name}.json`, folder)
  await writeFile(file, `${JSON.stringify({ ...machine(), name, result }, undefined, 2)}\n`)
}

function machine(): Record<string, unknown> {
  let commit = 'unknown'
  try {
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    // a tarball has no history: the result says so
  }
  const [cpu] = cpus()
  return {
    date: new Date().toISOString(),
    commit,
    node: process.version,
    platform: `${platform()} ${arch()}`,
    cpu: `${cpus().length} x ${cpu?.model ?? 'unknown'}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  }
}
