/**
 * The JSON schema of the config file, for editors: made from the settings table. Says of which form a value is; of ranges only that of
 * ports: the others are the options' own, and `catalog config validate` checks them. Pure.
 */
import { z } from 'zod'
import { defaultValue, shownDefault } from './options-document.ts'
import { fileKeyOf, SCHEMA_KEY, type Setting, type SettingType } from './setting.ts'
import { SETTINGS } from './settings.ts'

// A JSON schema's patterns know no flags, so both cases stand here.
const SIZE = '\\d+(?:\\.\\d+)?\\s*(?:[bB]|[kKmMgGtT](?:[iI]?[bB])?)?'
const DURATION = /^\d+(?:\.\d+)?\s*(?:[mM]?[sS]|[mMhHdD])$/

const FORMS: Readonly<Record<SettingType, z.ZodType>> = {
  integer: z.int().min(0),
  port: z.int().min(0).max(65_535),
  bytes: z.union([z.int().min(0), z.string().regex(new RegExp(`^${SIZE}$`))]),
  rate: z.union([z.int().min(0), z.string().regex(new RegExp(`^${SIZE}(?:/[sS]|[pP][sS])?$`))]),
  duration: z.union([z.literal(0), z.string().regex(DURATION)]),
  boolean: z.boolean(),
  text: z.string().min(1),
  list: z.union([z.array(z.string().min(1)), z.string()]),
  path: z.string().min(1),
}

/** The file as a zod schema; `network.family` is `family` within `network`. */
export function configFileForm(): z.ZodType {
  const top: Record<string, z.ZodType> = { [SCHEMA_KEY]: z.string().optional() }
  const nested: Record<string, Record<string, z.ZodType>> = {}
  for (const setting of SETTINGS) {
    const [outer = '', inner] = fileKeyOf(setting).split('.', 2)
    if (inner === undefined) top[outer] = formOf(setting)
    else (nested[outer] ??= {})[inner] = formOf(setting)
  }
  for (const [key, shape] of Object.entries(nested)) top[key] = z.strictObject(shape).optional()
  return z.strictObject(top)
}

export function configFileSchema(): Record<string, unknown> {
  const title = 'The config file of Catalog P2P'
  return { ...z.toJSONSchema(configFileForm()), title }
}

function formOf(setting: Setting): z.ZodType {
  const form = setting.choices === undefined ? FORMS[setting.type] : z.enum(setting.choices)
  const value = shownDefault(setting.type, defaultValue(setting))
  return form.optional().meta({
    description: setting.help,
    ...(value !== undefined && { default: value }),
  })
}
