/**
 * The page of a login in a browser: a field for the token, and no script. Its texts are all here: nothing that anybody has sent ever
 * stands in it.
 */
import { createHash } from 'node:crypto'

export type LoginPage = 'ask' | 'wrong' | 'done' | 'over'

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 34rem; margin: 4rem auto; padding: 0 1rem }
input { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem }
button { margin-top: 1rem; font: inherit; padding: .4rem 1.2rem }
`

/** https://www.w3.org/TR/CSP3/: the style above, and the form back to where it came from. */
export const LOGIN_POLICY = [
  ...["default-src 'none'", `style-src 'sha256-${sha256(STYLE)}'`, "form-action 'self'"],
  ...["base-uri 'none'", "frame-ancestors 'none'"],
].join('; ')

const FORM = `<p>A package manager on this machine wants to publish through catalog as you. If you have just run its login, paste here what
<code>catalog token</code> prints. If you have not, close this page.</p>
<form method="post" autocomplete="off">
<label for="token">Token</label> <input id="token" name="token" type="password" required autofocus>
<button>Log in</button>
</form>`

const TEXTS: Readonly<Record<LoginPage, string>> = {
  ask: FORM,
  wrong: `<p role="alert"><strong>That is not the token of this gateway.</strong></p>\n${FORM}`,
  done: '<p>Logged in. You can close this page.</p>',
  over: `<p>This login is over: it is done, has taken more than ten minutes, or many others have been begun after it. If your client
still waits, run it again.</p>`,
}

export function loginPage(page: LoginPage): Buffer {
  return Buffer.from(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in to catalog</title>
<style>${STYLE}</style>
</head>
<body><main>
<h1>Log in to catalog</h1>
${TEXTS[page]}
</main></body>
</html>
`)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
