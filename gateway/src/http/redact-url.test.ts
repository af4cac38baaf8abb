import { describe, expect, test } from 'vitest'
import { redactPath, redactUrl } from './redact-url.ts'

describe('a registry as others may see it', () => {
  test.each([
    ['https://me:pass@r.invalid/npm/', 'https://r.invalid/npm/'],
    ['https://token@r.invalid/', 'https://r.invalid/'],
    ['https://r.invalid/?key=secret#x', 'https://r.invalid/'],
    ['https://r.invalid/ab12Cd34Ef56Gh78/org/npm/', 'https://r.invalid/***/org/npm/'],
    ['https://r.invalid/F/feed/auth/short/npm/', 'https://r.invalid/F/feed/auth/***/npm/'],
    ['https://r.invalid/0a8e7c2e-19f4-4d0b-9d0e-5f6c2b1a7d33/npm/', 'https://r.invalid/***/npm/'],
    ['https://r.invalid/npm_abcdefghij/x', 'https://r.invalid/***/x'],
    ['https://r.invalid/glpat-abcdefghij/x', 'https://r.invalid/***/x'],
    ['https://r.invalid/AbCdEfGhIjKlMnOpQr/x', 'https://r.invalid/***/x'],
    ['https://r.invalid/a1%2Bb2_c3-d4e5f6g7h8_i9-J0kLmNoPqRs/x', 'https://r.invalid/***/x'],
    ['not a url', '***'],
  ])('%s is shown as %s', (url, shown) => {
    expect(redactUrl(url)).toBe(shown)
  })

  test.each([
    'https://r.invalid/',
    'http://127.0.0.1:4873/',
    'https://r.invalid/repository/npm-group/',
    'https://r.invalid/artifactory/api/npm/npm-remote-2024-releases/',
    'https://r.invalid/api/v4/projects/12345678901234567890/packages/npm/',
    'https://r.invalid/internationalization/documentation-tools/',
    'https://r.invalid/@corp/a-library-with-a-very-long-name-indeed/-/x-1.0.0.tgz',
  ])('%s stays', (url) => {
    expect(redactUrl(url)).toBe(url)
  })
})

describe('the path of a request', () => {
  test.each([
    ['/-/catalog/login/a-code', '/-/catalog/login/***'],
    ['/-/catalog/login/done/what-the-token-is-given-for', '/-/catalog/login/***'],
    ['/-/v1/done/what-the-token-is-given-for', '/-/v1/done/***'],
    ['/-/user/token/npm_x', '/-/user/token/***'],
    ['/fx?write=true', '/fx'],
  ])('%s is logged as %s', (path, shown) => {
    expect(redactPath(path)).toBe(shown)
  })
})
