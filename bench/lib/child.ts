/** Runs a part of a benchmark as a process of its own, called over Node's IPC: as in production each has its own event loop. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LOOPBACK, type BenchMachine } from './machine.ts'

/** As `catalog start` sets them: gateway/src/cli/start/tune-collector.ts says why. */
const COLLECTOR_FLAGS = [
  '--external-memory-accounted-in-global-limit',
  '--heap-growing-percent=400',
]

export interface Child {
  readonly isRunning: boolean
  call<T>(op: string, argument?: unknown): Promise<T>
  close(): Promise<void>
}

const CALL_DEADLINE_MS = 300_000
const EXIT_DEADLINE_MS = 15_000

/** `script` is relative to bench/. */
export function startChild(
  script: string,
  machine: BenchMachine = LOOPBACK,
  flags: readonly string[] = [],
): Child {
  // The machine's command execs the child: same process, same IPC channel.
  const [program = process.execPath, ...command] = [...machine.prefix, process.execPath]
  const child: ChildProcess = fork(fileURLToPath(new URL(`../${script}`, import.meta.url)), {
    execPath: program,
    execArgv: [
      ...command,
      ...COLLECTOR_FLAGS,
      ...(process.env.BENCH_NODE_FLAGS?.split(' ') ?? []),
      '--expose-gc', // for what counts memory; it changes nothing else
      '--conditions=@catalog-p2p/source',
      '--disable-warning=ExperimentalWarning',
      ...flags,
    ],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
  })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  let nextId = 1
  child.on('message', (reply: { id: number; error?: string; value?: unknown }) => {
    const call = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (reply.error === undefined) call?.resolve(reply.value)
    else call?.reject(new Error(`${script}: ${reply.error}`))
  })
  child.on('exit', (code) => {
    for (const call of waiting.values()) call.reject(new Error(`${script} ended with code ${code}`))
  })
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  return {
    get isRunning() {
      return isRunning()
    },
    async call<T>(op: string, argument?: unknown): Promise<T> {
      const id = nextId++
      const call = Promise.withResolvers<unknown>()
      waiting.set(id, call)
      const timer = setTimeout(
        () => call.reject(new Error(`${script}: ${op} took too long`)),
        CALL_DEADLINE_MS,
      )
      child.send({ id, op, argument }, (error) => {
        if (error !== null) call.reject(error) // the child has ended
      })
      try {
        return (await call.promise) as T
      } finally {
        clearTimeout(timer)
      }
    },
    async close() {
      if (!isRunning()) return
      if (child.connected) child.disconnect()
      const timer = setTimeout(() => child.kill('SIGKILL'), EXIT_DEADLINE_MS)
      await exited
      clearTimeout(timer)
    },
  }
}

/** In the child: answers calls until the parent disconnects, then calls `onClose`. */
export function answerCalls(
  operations: Readonly<Record<string, (argument: never) => unknown>>,
  onClose: () => Promise<void>,
): void {
  process.on('message', (message: { id: number; op: string; argument: never }) => {
    void (async () => {
      try {
        const operation = operations[message.op]
        if (operation === undefined) throw new Error(`no operation ${message.op}`)
        process.send?.({ id: message.id, value: await operation(message.argument) })
      } catch (error) {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
        process.send?.({ id: message.id, error: text })
      }
    })()
  })
  process.on('disconnect', () => {
    onClose().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  })
}

/** CPU time of this process so far, milliseconds. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
