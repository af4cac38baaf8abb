import { globSync, readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

// Ours alone: these reach Node itself, where 'import' would hand ES modules to require().
const conditions = ['@catalog-p2p/source']

const UNIT_TESTS = ['{core,gateway}/src/**/*.test.ts', 'plugins/*/src/**/*.test.ts']

// What replaces modules needs a process of its own; the others take theirs one after the other, with what is loaded.
const MOCKING = globSync(UNIT_TESTS, { cwd: import.meta.dirname })
  .filter((path) =>
    /\bvi\.(do)?[mM]ock\(/.test(readFileSync(`${import.meta.dirname}/${path}`, 'utf8')),
  )
  .map((path) => path.replaceAll('\\', '/'))

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    globalSetup: 'test/support/test-run.ts',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    expect: { poll: { timeout: 10_000 } }, // what comes is waited for, on a busy machine too
    tags: [
      { name: 'long', description: 'older clients, and what takes minutes: npm run test:all' },
    ],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: UNIT_TESTS,
          exclude: MOCKING,
          isolate: false,
        },
      },
      { extends: true, test: { name: 'mocks', include: MOCKING } },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', '**/node_modules/**'],
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ['**/node_modules/**'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
