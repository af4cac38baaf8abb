/**
 * What this plugin uses of the modules that Yarn hands to plugins and that npm can't install beside @yarnpkg/core. Types
 * only; the code comes from the running Yarn.
 */
declare module '@yarnpkg/cli' {
  import type { CommandContext } from '@yarnpkg/core'
  import { Command } from 'clipanion'

  export abstract class BaseCommand extends Command<CommandContext> {
    abstract execute(): Promise<number>
  }
}

declare module '@yarnpkg/plugin-npm' {
  import type { Configuration, Hooks, Ident, Plugin } from '@yarnpkg/core'

  // A CommonJS module, as Node imports it.
  const module: { readonly default?: Plugin }
  export default module

  export const npmConfigUtils: {
    getAuthConfiguration(
      registry: string,
      options: { configuration: Configuration; ident: Ident },
    ): Map<string, unknown> | Configuration
    getScopeRegistry(scope: string | null, options: { configuration: Configuration }): string
  }
  export const npmHttpUtils: {
    getIdentUrl(ident: Ident): string
    get(
      path: string,
      options: {
        configuration: Configuration
        ident: Ident
        headers: Record<string, string>
        wrapNetworkRequest: NonNullable<Hooks['wrapNetworkRequest']>
      },
    ): Promise<{ toString(): string }>
  }
}
