/** Markup in the page: htm on preact. Text is always text; there is no way here to put markup in from outside. */
import htm from 'htm'
import { h, type ComponentChildren } from 'preact'

export type View = ComponentChildren

export const html: (strings: TemplateStringsArray, ...values: unknown[]) => View = htm.bind(h)
