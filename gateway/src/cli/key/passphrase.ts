/**
 * A passphrase from the environment or from whoever sits at the terminal, who does not see what is typed. Never from an argument,
 * which other users of the machine can read, and never printed.
 */
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CatalogError } from '@catalog-p2p/core'
import type { Invocation } from '../shell/invocation.ts'

const PASSPHRASE_VARIABLE = 'CATALOG_KEY_PASSPHRASE'
const MIN_CHARACTERS = 8
const MAX_CHARACTERS = 1024

/** For a key that is there; undefined where nobody can be asked. */
export async function askPassphrase(
  { terminal, signal }: Invocation,
  question: string,
): Promise<string | undefined> {
  const given = terminal.env[PASSPHRASE_VARIABLE]
  if (given !== undefined && given !== '') return bounded(given)
  if (!process.stdin.isTTY) return undefined
  terminal.raw(`${question}: `)
  try {
    return bounded(await readHidden(signal))
  } finally {
    terminal.raw('\n')
  }
}

/** For a new key: asked for twice. @throws CatalogError INVALID_OPTIONS */
export async function newPassphrase(invocation: Invocation): Promise<string> {
  const passphrase = await askPassphrase(invocation, 'passphrase for the new key')
  if (passphrase === undefined || passphrase.length < MIN_CHARACTERS) {
    throw new CatalogError(
      'INVALID_OPTIONS',
      `a passphrase of at least ${MIN_CHARACTERS} characters is needed`,
      { hint: `give it as ${PASSPHRASE_VARIABLE}, or run the command in a terminal` },
    )
  }
  if ((await askPassphrase(invocation, 'the same again')) === passphrase) return passphrase
  throw new CatalogError('INVALID_OPTIONS', 'the two passphrases are not the same')
}

function bounded(text: string): string {
  if (text.length <= MAX_CHARACTERS) return text
  throw new CatalogError('INVALID_OPTIONS', `a passphrase of over ${MAX_CHARACTERS} characters`)
}

function readHidden(signal: AbortSignal): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, signal })
  return new Promise((resolve, reject) => {
    // Ctrl-C in raw mode is a key like others.
    lines.once('SIGINT', () => lines.close())
    lines.once('line', (line) => {
      resolve(line)
      lines.close()
    })
    lines.once('close', () => reject(new CatalogError('INVALID_OPTIONS', 'no passphrase given')))
  })
}
