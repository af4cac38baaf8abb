/**
 * The text of a task for the Task Scheduler of Windows, run at this user's logon with this user's rights. Pure.
 * https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema says what the elements mean, and in which order they
 * stand. Not run on Windows so far.
 */
import { CatalogError } from '@catalog-p2p/core'

export const TASK_NAME = 'Catalog P2P'

/**
 * @param user as Windows names it: DOMAIN\\NAME
 * @throws CatalogError INVALID_OPTIONS when XML can't hold one of the words
 */
export function scheduledTask(argv: readonly string[], user: string): string {
  // Node is a console program: without that a window would stand open for as long as the daemon runs.
  const args = ['--headless', ...argv].map(windowsWord).join(' ')
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- written by "catalog service install"; "catalog service uninstall" removes it -->
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>An npm registry on this machine, from "catalog service install"</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>${escape(user)}</UserId>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>${escape(user)}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure>
      <Interval>PT1M</Interval>
      <Count>3</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>conhost.exe</Command>
      <Arguments>${escape(args)}</Arguments>
    </Exec>
  </Actions>
</Task>
`
}

/** As CommandLineToArgvW takes it apart again. */
export function windowsWord(word: string): string {
  if (/^[^\s"]+$/.test(word)) return word
  const quoted = word.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')
  return `"${quoted}"`
}

function escape(text: string): string {
  // What XML 1.0 has no way of writing, and what would end a line of arguments.
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\ufffe\uffff]/.test(text)) {
    throw new CatalogError('INVALID_OPTIONS', `a control character in ${JSON.stringify(text)}`, {
      hint: 'a task cannot hold it; use another path',
    })
  }
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
