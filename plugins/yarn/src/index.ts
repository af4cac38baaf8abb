/**
 * The plugin as Yarn loads it: built into one file by build.ts, with Yarn's own modules left outside. When it is loaded, Yarn's
 * fetchers of npm packages get a layer of ours, and nothing else happens; the default export is what Yarn's loader demands.
 */
import type { Plugin } from '@yarnpkg/core'
import npm from '@yarnpkg/plugin-npm'
import { nameArchives } from './archive-fetchers.ts'
import { createCommands } from './commands.ts'
import { createPeerFetcher } from './p2p-fetcher.ts'
import { PeerResolver } from './p2p-resolver.ts'
import { createPeerPackages } from './peer-packages.ts'
import { createProjectHooks } from './project-hooks.ts'
import { createSession } from './session.ts'
import { settingDefinitions } from './settings.ts'
import { createNetworkWrapper } from './wrap-request.ts'

const session = createSession(process.env, nameArchives(npm.default))

const plugin: Plugin = {
  configuration: settingDefinitions,
  commands: createCommands(session),
  hooks: {
    wrapNetworkRequest: createNetworkWrapper(session),
    ...createProjectHooks(session),
  },
  fetchers: [createPeerFetcher(createPeerPackages(session))],
  resolvers: [PeerResolver],
}

export default plugin
