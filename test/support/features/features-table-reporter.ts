/**
 * A vitest reporter that prints the client by feature table, in Markdown, as it came out: `npm run test:clients -- --table`.
 * It only adds to what the default reporter says; docs/clients.md holds the table of a run in which all went well.
 */
import type { Reporter, TestModule } from 'vitest/node'
import { featuresMarkdown, type Column, type Feature } from './features-table.ts'

export default class FeaturesTableReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const states = new Map<string, string>()
    for (const module of modules) {
      for (const test of module.children.allTests()) states.set(test.fullName, test.result().state)
    }
    const seen = (column: Column, feature: Feature): string | undefined => {
      if ('lacks' in column.cells[feature]) return undefined
      const state = states.get(`${column.title} > ${feature}`)
      return state === 'passed' ? undefined : (state ?? 'not run').toUpperCase()
    }
    process.once('exit', () => {
      process.stdout.write(`\n${featuresMarkdown(seen)}\n`)
    })
  }
}
