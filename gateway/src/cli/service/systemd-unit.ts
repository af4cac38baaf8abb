/**
 * The text of the systemd user unit. Pure. Quoting as systemd.syntax(7) and systemd.service(5) have it: `%` starts a specifier
 * and `$` a variable, inside of quotes too.
 */
import { EXIT } from '../shell/exit-codes.ts'

export const UNIT_NAME = 'catalog-p2p.service'

/** Draining takes up to 10 s, closing the store and connections up to 15 s. */
const STOP_TIMEOUT_S = 30

/** `argv`: the program, an absolute path, and its arguments. */
export function systemdUnit(argv: readonly string[]): string {
  const [program = '', ...args] = isTakenAsProgram(argv[0]) ? argv : [...SHELL, ...argv]
  // The program's own path is not searched for variables, so its `$` stands for itself.
  const words = [quote(program), ...args.map((arg) => quote(arg).replaceAll('$', '$$$$'))]
  return `# written by "catalog service install"; "catalog service uninstall" removes it
[Unit]
Description=Catalog P2P: npm packages from the machines around

[Service]
Type=exec
ExecStart=${words.join(' ')}
# glibc's memory: with an arena for each thread a daemon with a hundred peers holds 10 MB more.
Environment=MALLOC_ARENA_MAX=2
Restart=on-failure
RestartSec=5
# Wrong options do not get better by trying again.
RestartPreventExitStatus=${EXIT.usage}
TimeoutStopSec=${STOP_TIMEOUT_S}
NoNewPrivileges=yes

[Install]
WantedBy=default.target
`
}

const SHELL = ['/bin/sh', '-c', 'exec "$0" "$@"']

/** No quotes and the like in a program's name, however quoted; as an argument they may be. */
function isTakenAsProgram(program = ''): boolean {
  // eslint-disable-next-line no-control-regex
  return !/["'\\\u0000-\u001f\u007f]/.test(program)
}

function quote(word: string): string {
  const escaped = word
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
    .replaceAll('%', '%%')
  return `"${escaped}"`
}
