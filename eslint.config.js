import js from '@eslint/js'
import tseslint from 'typescript-eslint'

const libp2p = {
  group: ['libp2p', '@libp2p/*', '@chainsafe/*', '@multiformats/*'],
  message: 'libp2p stays inside core/src/host (house rule: three ports)',
}

const CHANCE = [
  { object: 'Math', property: 'random', message: 'take `random` as a dependency (random.ts)' },
]
const TIME = [
  {
    object: 'AbortSignal',
    property: 'timeout',
    message: 'take a clock as a dependency (timing/timeout-signal.ts)',
  },
]
const CALENDAR = ['Date', 'performance'].map((object) => ({
  object,
  property: 'now',
  message: 'take a clock as a dependency (timing/clock.ts)',
}))

/** Files of the gateway that bound one HTTP request, or spread its retries, in real time. */
const REAL_TIMEOUTS = [
  'gateway/src/admin/daemon-client.ts',
  'gateway/src/artifacts/bindings/tarball-witness.ts',
  'gateway/src/artifacts/versions/version-documents.ts',
  'gateway/src/clients/ask-client.ts',
  'gateway/src/clients/yarn/yarn-classic-mirror.ts',
  'gateway/src/guard/malware-source.ts',
  'gateway/src/keys/signing-keys-request.ts',
  'gateway/src/packuments/ask-sources.ts',
  'gateway/src/packuments/waterfall.ts',
  'gateway/src/publishing/keep-replicas.ts',
  'gateway/src/publishing/replication.ts',
  'gateway/src/search/look-up-named.ts',
  'gateway/src/search/peer-search.ts',
  'gateway/src/search/upstream-search.ts',
  'gateway/src/tracing/otlp-exporter.ts',
  'gateway/src/upstream/retry.ts',
  'gateway/src/upstream/upstream.ts',
]

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      'test/clients/**',
      'bench/rivals/**',
      'test/.cache/**',
      '**/*.cjs',
    ],
  },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      'max-lines': ['error', { max: 300 }],
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
      'no-console': 'error',
      'no-empty': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['core/src/**/*.ts'],
    ignores: ['core/src/host/**', '**/*.test.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [libp2p] }] },
  },
  {
    // Simulations bring their own time and chance, so every part takes both as collaborators.
    files: ['core/src/**/*.ts'],
    ignores: ['core/src/timing/**', 'core/src/random.ts', '**/*.test.ts'],
    rules: { 'no-restricted-properties': ['error', ...CHANCE, ...TIME, ...CALENDAR] },
  },
  {
    // The gateway talks to HTTP servers, which keep the system's time.
    files: ['gateway/src/**/*.ts'],
    ignores: [
      '**/*.test.ts',
      'gateway/src/cli/**', // one command, one process
      ...REAL_TIMEOUTS,
    ],
    rules: { 'no-restricted-properties': ['error', ...CHANCE, ...TIME] },
  },
  {
    files: ['**/*.test.ts', 'test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'],
    rules: {
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      'no-console': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['gateway/src/cli.ts', 'gateway/src/cli/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly' } },
  },
)
