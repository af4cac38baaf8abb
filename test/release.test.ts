/** The release workflow names every package that there is, in the order in which they need each other, and no more rights than it needs. */
import { expect, test } from 'vitest'
import { parseDocument } from 'yaml'
import { readText } from './support/source-tree.ts'

interface Workflow {
  readonly permissions: object
  readonly jobs: {
    readonly publish: {
      readonly permissions: object
      readonly steps: readonly { readonly run?: string }[]
    }
  }
}

test('a tag publishes all packages, with provenance and without a token', () => {
  const text = readText('.github/workflows/release.yml')
  const document = parseDocument(text)
  expect(document.errors).toEqual([])
  const { permissions, jobs } = document.toJS() as Workflow
  expect(permissions).toEqual({})
  expect(jobs.publish.permissions).toEqual({ contents: 'read', 'id-token': 'write' })
  const { workspaces } = JSON.parse(readText('package.json')) as { workspaces: string[] }
  const publishing = jobs.publish.steps.flatMap(({ run = '' }) =>
    run.startsWith('npm publish') ? [run] : [],
  )
  expect(publishing).toEqual(
    workspaces.map((each) => `npm publish --provenance --access public --workspace ${each}`),
  )
  // Of the version, and of where it is from: provenance is refused without a repository.
  expect(text.split(`for package in ${workspaces.join(' ')}; do`)).toHaveLength(3)
  expect(text).toMatch(/npm pkg set repository\.type=git "repository\.url=git\+\$home\.git"/)
  expect(text).not.toMatch(/secrets\.|_TOKEN|https?:/)
})
