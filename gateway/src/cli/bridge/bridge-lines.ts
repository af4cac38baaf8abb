/** The few lines for the other side of a bridge, to be copied: they are printed, and no file of anybody's project is changed. Pure. */
import type { Bridge } from '../../bridges/bridge-file.ts'
import type { Where } from './bridge-place.ts'

export interface Lines {
  /** What to do with them. */
  readonly title: string
  readonly lines: readonly string[]
}

/** Where a sandbox's own relay listens: loopback of the sandbox. */
const INNER_PORT = 4874
const INNER_URL = `http://127.0.0.1:${INNER_PORT}/`

/** The registry as guests name it. */
export function guestUrl(bridge: Bridge): string {
  if (bridge.kind === 'sandbox') return INNER_URL
  const name = bridge.hosts[0] ?? bridge.address
  return `http://${name.includes(':') ? `[${name}]` : name}:${bridge.port}/`
}

export function linesFor(where: Where, bridge: Bridge): readonly Lines[] {
  const url = guestUrl(bridge)
  if (bridge.kind === 'sandbox') return sandboxLines(bridge.path)
  if (where === 'docker') return dockerLines(url)
  return where === 'devcontainer'
    ? [{ title: 'in devcontainer.json', lines: devcontainerLines(url) }]
    : [{ title: 'inside WSL', lines: [`npm config set registry ${url}`] }]
}

const ADD_HOST = '--add-host host.docker.internal:host-gateway'

function dockerLines(url: string): readonly Lines[] {
  const registry = `npm_config_registry=${url}`
  return [
    { title: 'in the Dockerfile, before its first RUN npm', lines: ['ARG npm_config_registry'] },
    { title: 'to build', lines: [`docker build ${ADD_HOST} --build-arg ${registry} .`] },
    { title: 'to run', lines: [`docker run ${ADD_HOST} -e ${registry} IMAGE npm ci`] },
  ]
}

function devcontainerLines(url: string): readonly string[] {
  const lines = {
    runArgs: ['--add-host=host.docker.internal:host-gateway'],
    containerEnv: { npm_config_registry: url },
  }
  return JSON.stringify(lines, null, 2).split('\n')
}

/** No package manager takes a socket for a registry; Node, which it needs anyway, is relay enough. */
export function relayProgram(path: string): string {
  const relay = [
    `const b=net.connect(${JSON.stringify(path)})`,
    'a.pipe(b).pipe(a)',
    'a.on("error",()=>b.destroy())',
    'b.on("error",()=>a.destroy())',
  ].join(';')
  return `const net=require("node:net");net.createServer(a=>{${relay}}).listen(${INNER_PORT},"127.0.0.1")`
}

/** One word of a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function sandboxLines(path: string): readonly Lines[] {
  return [
    { title: 'the sandbox needs this folder, read-only', lines: [path.replace(/\/[^/]+$/, '')] },
    {
      title: 'inside it, once',
      lines: [`node -e ${quoted(relayProgram(path))} &`, `export npm_config_registry=${INNER_URL}`],
    },
  ]
}
