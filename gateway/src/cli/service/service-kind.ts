/**
 * A service per platform: its file, the file's content, and the commands that load and unload it. Pure, and the platform is an
 * argument, so that each platform can be tested on every other.
 */
import { posix, win32 } from 'node:path'
import { CatalogError } from '@catalog-p2p/core'
import type { ClientContext } from '../../clients/client.ts'
import { AGENT_LABEL, launchdPlist } from './launchd-plist.ts'
import { scheduledTask, TASK_NAME } from './scheduled-task.ts'
import { systemdUnit, UNIT_NAME } from './systemd-unit.ts'

export type CommandLine = readonly [program: string, ...args: string[]]

export interface LogOptions {
  readonly lines: number
  readonly follow: boolean
}

export interface ServiceKind {
  /** Its name in the system. */
  readonly name: string
  readonly path: string
  readonly text: string
  /** Runs it now, and at every login from now on. */
  readonly start: readonly CommandLine[]
  /** What ran before must have ended before `start`: the system does not replace it by itself. */
  readonly mustGoFirst: boolean
  /** Ends it, for good; before the file goes, each even if another fails. */
  readonly stop: readonly CommandLine[]
  /** After the file has gone. */
  readonly afterwards: readonly CommandLine[]
  /** Succeeds while it runs or is ending. */
  readonly isRunning: CommandLine
  /** Shows the last lines that it has logged, and with `follow` those to come. */
  log(options: LogOptions): CommandLine
  /** A note for the user. */
  readonly hint: string
}

export interface ServiceContext extends ClientContext {
  /** The user's number; undefined where there are none. */
  readonly uid: number | undefined
}

/** @throws CatalogError INVALID_OPTIONS where there are no services of a kind that we know */
export function serviceKind(context: ServiceContext, argv: readonly string[]): ServiceKind {
  const { platform } = context
  if (platform === 'linux') return systemd(context, argv)
  if (platform === 'darwin') return launchd(context, argv)
  if (platform === 'win32') return windowsTask(context, argv)
  throw new CatalogError('INVALID_OPTIONS', `service: not supported on ${platform}`, {
    hint: 'let the init system of this machine run "catalog start"',
  })
}

function systemd({ env, home }: ServiceContext, argv: readonly string[]): ServiceKind {
  const given = env.XDG_CONFIG_HOME
  // The specification has relative paths ignored.
  const config = given?.startsWith('/') === true ? given : posix.join(home, '.config')
  const user = ['systemctl', '--user'] as const
  return {
    name: UNIT_NAME,
    path: posix.join(config, 'systemd', 'user', UNIT_NAME),
    text: systemdUnit(argv),
    start: [
      [...user, 'daemon-reload'],
      [...user, 'enable', UNIT_NAME],
      [...user, 'restart', UNIT_NAME],
    ],
    mustGoFirst: false,
    // Not `disable --now`: that stops nothing where disabling fails, as it may when the file has gone.
    stop: [
      [...user, 'stop', UNIT_NAME],
      [...user, 'disable', UNIT_NAME],
    ],
    afterwards: [[...user, 'daemon-reload']],
    isRunning: [...user, 'is-active', '--quiet', UNIT_NAME],
    log: ({ lines, follow }) => [
      // Our lines have their own time.
      ...(['journalctl', '--user', `--unit=${UNIT_NAME}`, '--output=cat', '--no-pager'] as const),
      ...[`--lines=${lines}`, ...(follow ? ['--follow'] : [])],
    ],
    hint: 'it runs while you are logged in; on a server, "loginctl enable-linger" keeps it running',
  }
}

function launchd({ home, uid }: ServiceContext, argv: readonly string[]): ServiceKind {
  const path = posix.join(home, 'Library', 'LaunchAgents', `${AGENT_LABEL}.plist`)
  const domain = `gui/${uid ?? 0}`
  const target = `${domain}/${AGENT_LABEL}`
  const log = posix.join(home, 'Library', 'Logs', 'catalog-p2p.log')
  return {
    name: AGENT_LABEL,
    path,
    text: launchdPlist(argv, log),
    start: [
      ['launchctl', 'enable', target],
      ['launchctl', 'bootstrap', domain, path],
    ],
    mustGoFirst: true,
    stop: [['launchctl', 'bootout', target]],
    afterwards: [],
    isRunning: ['launchctl', 'print', target],
    log: ({ lines, follow }) => ['tail', '-n', String(lines), ...(follow ? ['-F'] : []), log],
    hint: `it runs while you are logged in, and logs to ${log}, which nothing shortens but you`,
  }
}

function windowsTask({ env, home }: ServiceContext, argv: readonly string[]): ServiceKind {
  const { USERNAME: name, USERDOMAIN: domain } = env
  if (name === undefined || name === '') {
    throw new CatalogError('INVALID_OPTIONS', 'USERNAME is not set: whose task is it?', {
      hint: 'set it, as Windows does at logon',
    })
  }
  const local = env.LOCALAPPDATA ?? win32.join(home, 'AppData', 'Local')
  const path = win32.join(local, 'catalog-p2p', 'task.xml')
  const schtasks = (action: string, ...rest: readonly string[]): CommandLine => [
    ...(['schtasks', action, '/TN', TASK_NAME, ...rest] as const),
  ]
  return {
    name: TASK_NAME,
    path,
    text: scheduledTask(argv, domain === undefined ? name : `${domain}\\${name}`),
    start: [schtasks('/Create', '/XML', path, '/F'), schtasks('/Run')],
    mustGoFirst: true,
    stop: [schtasks('/End'), schtasks('/Delete', '/F')],
    afterwards: [],
    isRunning: [
      ...(['powershell', '-NoProfile', '-Command'] as const),
      `if ((Get-ScheduledTask -TaskName '${TASK_NAME}').State -ne 'Running') { exit 1 }`,
    ],
    log: () => schtasks('/Query', '/V', '/FO', 'LIST'),
    hint: 'it runs while you are logged on; what it logs is not kept',
  }
}
