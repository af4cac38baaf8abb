/**
 * Logins in a browser that are under way: npm shows its user an address and asks again and again whether it is done. The address and what
 * npm asks with are two secrets, so that who sees the one cannot fetch the token with it. Bounded in number and time, in memory: the
 * oldest that nobody has finished gives way to a new one. So who begins many can end a login under way, and no more: it gets no token,
 * and a login with the token as the password (answer-login.ts) takes no place here.
 */
import { randomBytes } from 'node:crypto'

export interface BegunLogin {
  /** In the address of the page. */
  readonly code: string
  /** What the client asks with. */
  readonly secret: string
}

interface Login extends BegunLogin {
  readonly untilMs: number
  isApproved: boolean
}

const MAX_LOGINS = 16
const LIFE_MS = 10 * 60_000

export class WebLogins {
  readonly #logins = new Map<string, Login>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  begin(): BegunLogin {
    this.#forget()
    if (this.#logins.size >= MAX_LOGINS) {
      const all = [...this.#logins.values()]
      const gone = all.find(({ isApproved }) => !isApproved) ?? all[0]
      this.#logins.delete(gone?.code ?? '')
    }
    const [code, secret] = [newSecret(), newSecret()]
    this.#logins.set(code, { code, secret, untilMs: this.#now() + LIFE_MS, isApproved: false })
    return { code, secret }
  }

  isUnderWay(code: string): boolean {
    this.#forget()
    return this.#logins.get(code)?.isApproved === false
  }

  /** Its user has shown the token. */
  approve(code: string): void {
    const login = this.#logins.get(code)
    if (login !== undefined) login.isApproved = true
  }

  /** Once `approved` it is over; undefined: there is none. */
  ask(secret: string): 'waiting' | 'approved' | undefined {
    this.#forget()
    const login = [...this.#logins.values()].find((each) => each.secret === secret)
    if (login?.isApproved !== true) return login && 'waiting'
    this.#logins.delete(login.code)
    return 'approved'
  }

  #forget(): void {
    for (const [code, { untilMs }] of this.#logins) {
      if (untilMs <= this.#now()) this.#logins.delete(code)
    }
  }
}

function newSecret(): string {
  return randomBytes(32).toString('base64url')
}
