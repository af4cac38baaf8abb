/**
 * glibc gives threads arenas of their own to take memory from, up to eight a processor, and what is freed in one is of no use to the others: a
 * daemon with a hundred peers holds 10 MiB more by that. Two are enough, but glibc asks for its settings when a process begins, so a daemon begins once
 * more with them: the same process, as far as anybody can see, 40 ms later. Whoever has settings of their own keeps them.
 */

/** What glibc itself reads, see mallopt(3). */
const SETTING = 'MALLOC_ARENA_MAX'
const ARENAS = '2'

export interface Beginning {
  readonly platform: NodeJS.Platform
  readonly argv: readonly string[]
  readonly env: NodeJS.ProcessEnv
  /** A parent talks to it over a channel, which would not outlive it. */
  readonly hasChannel: boolean
}

/** The environment to begin again with; undefined: it is fine as it is. */
export function environmentOfFewArenas(beginning: Beginning): NodeJS.ProcessEnv | undefined {
  const { platform, argv, env, hasChannel } = beginning
  if (platform !== 'linux' || argv[2] !== 'start' || hasChannel) return undefined
  if (env[SETTING] !== undefined || env.GLIBC_TUNABLES !== undefined) return undefined
  return { ...env, [SETTING]: ARENAS }
}

/** Returns when there is nothing to be gained, or no way. */
export function beginWithFewArenas(): void {
  const { platform, argv, env, execArgv, execPath } = process
  const hasChannel = process.send !== undefined
  const wanted = environmentOfFewArenas({ platform, argv, env, hasChannel })
  if (wanted === undefined || process.execve === undefined) return
  try {
    process.execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], wanted)
  } catch {
    // Node's permission model, or a process that may not run others: it only takes more memory.
  }
}
