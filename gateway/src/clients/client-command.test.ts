/** What a command line says of the package manager that it starts. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountCommand, readClientCommand } from './client-command.ts'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'catalog-client-'))
  mkdirSync(join(cwd, 'inner'))
})
afterEach(() => rmSync(cwd, { recursive: true }))

const read = (command: string, at = cwd) => readClientCommand(command.split(' '), at)

test.each([
  ['npm ci', 'npm'],
  ['/usr/bin/npx eslint', 'npm'],
  ['C:\\nodejs\\npm.cmd ci', 'npm'],
  ['node /opt/npm/bin/npm-cli.js ci', 'npm'],
  ['pnpm.exe install', 'pnpm'],
  ['corepack pnpm@9 install', 'pnpm'],
  ['corepack yarn@4 install', 'yarn-berry'],
  ['node .yarn/releases/yarn-4.9.1.cjs', 'yarn-berry'],
  ['yarn-1.22.22.js install', 'yarn-classic'],
  ['yarn install', 'yarn-classic'],
  ['bunx x', 'bun'],
  ['deno install', 'deno'],
  ['make', undefined],
  ['node', undefined],
])('%s: %s', (command, family) => {
  expect(read(command)?.family).toBe(family)
})

test.each([
  ['yarn.lock', '__metadata:\n  version: 8\n', 'yarn-berry'],
  ['yarn.lock', '# yarn lockfile v1\n', 'yarn-classic'],
  ['.yarnrc.yml', '', 'yarn-berry'],
  ['package.json', '{"packageManager":"yarn@4.1.0"}', 'yarn-berry'],
  ['package.json', '{"packageManager":"yarn@1.22.22"}', 'yarn-classic'],
])('yarn with %s', (file, text, family) => {
  writeFileSync(join(cwd, file), text)
  expect(read('yarn', join(cwd, 'inner'))?.family).toBe(family)
})

describe('it installs', () => {
  test.each([
    'npm ci',
    'npm --silent i x',
    'npm -w a ci',
    'pnpm -C inner add x',
    'yarn',
    'deno add npm:x',
  ])('%s', (command) => expect(read(command)?.isInstall).toBe(true))
})

describe('it may start any program, or asks nothing', () => {
  test.each([
    'npm',
    'npm run build',
    'npx install',
    'npm exec -- yarn add x',
    'pnpm exec ci',
    'yarn build',
    'yarn workspace a add x',
    'bun run i',
    'deno run x.ts',
  ])('%s', (command) => expect(read(command)?.isInstall).toBe(false))
})

describe('where it works', () => {
  test.each([
    ['npm ci --prefix inner', ['--prefix', 'inner']],
    ['npm --prefix=inner ci -w a', ['--prefix=inner', 'a']],
    [
      'npm install x --registry=https://a.example/ -g',
      ['x', '--registry=https://a.example/', '-g'],
    ],
    ['pnpm -C inner install --frozen-lockfile', ['-C', 'inner']],
    ['pnpm install --dir=inner', ['--dir=inner']],
    ['yarn --cwd inner', ['--cwd', 'inner']],
  ])('%s', (command, handedOn) => {
    const found = read(command)
    const words = found?.handedOn.filter((word) => word !== found.verb)
    expect(words).toEqual(handedOn)
    expect(found?.cwd).toBe(command.includes('inner') ? join(cwd, 'inner') : cwd)
  })

  test.each([
    'pnpm install --registry=https://a.example/',
    'pnpm install --config.registry=https://a.example/',
    'pnpm add -g x',
    'pnpm add -gD x',
    'pnpm install --userconfig x',
    'bun install -c other.toml',
    'yarn install --use-yarnrc x',
  ])('%s is not understood', (command) => {
    expect(read(command)?.unknown).toContain('is on the command line')
  })

  test('what is behind dashes is another program’s', () => {
    expect(read('pnpm install -- --registry x')?.unknown).toBeUndefined()
  })
})

test.each([
  ['npm publish --access public', 'publish'],
  ['node /opt/npm-cli.js whoami', 'whoami'],
  ['yarn npm publish', 'publish'],
  ['npm -w packages/a publish', 'publish'],
  ['npm --workspace=packages/a publish', 'publish'],
  ['npm --tag next publish', 'publish'],
  ['npm --silent publish', 'publish'],
  ['pnpm --filter a publish', 'publish'],
  ['pnpm -r --filter=./x publish', 'publish'],
  ['corepack pnpm@10 -C x publish', 'publish'],
  ['yarn --cwd x npm publish', 'publish'],
  ['yarn workspace a npm publish', 'publish'],
  ['yarn workspaces foreach -A --include x npm publish', 'publish'],
  ['yarn workspace publish run build', undefined],
  ['npm -w publish ci', undefined],
  ['npm', undefined],
  ['npm install --save publish', undefined],
  ['npm run build -- publish', undefined],
])('%s: %s needs an account', (command, word) => {
  const words = command.split(' ')
  const client = readClientCommand(words, cwd)
  expect(client && accountCommand(client, words)).toBe(word)
})
