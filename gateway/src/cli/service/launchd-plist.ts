/** The text of the launchd property list. Pure. `man launchd.plist` says what the keys mean. */
import { CatalogError } from '@catalog-p2p/core'

export const AGENT_LABEL = 'catalog-p2p.daemon'

/** Draining takes up to 10 s, closing the store and connections up to 15 s. */
const STOP_TIMEOUT_S = 30

/** @throws CatalogError INVALID_OPTIONS when XML can't hold one of the words */
export function launchdPlist(argv: readonly string[], logPath: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- written by "catalog service install"; "catalog service uninstall" removes it -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${AGENT_LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${argv.map((word) => `    <string>${escape(word)}</string>`).join('\n')}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>10</integer>
  <key>ExitTimeOut</key>
  <integer>${STOP_TIMEOUT_S}</integer>
  <key>StandardOutPath</key>
  <string>${escape(logPath)}</string>
  <key>StandardErrorPath</key>
  <string>${escape(logPath)}</string>
</dict>
</plist>
`
}

function escape(text: string): string {
  // What XML 1.0 has no way of writing, not even escaped.
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text)) {
    throw new CatalogError('INVALID_OPTIONS', `a control character in ${JSON.stringify(text)}`, {
      hint: 'a property list cannot hold it; use another path',
    })
  }
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('\r', '&#13;')
}
