// The writer of a format, loaded when it is first used: commands that do not generate never pay for it.
import { createRequire } from 'node:module'
import type { FormatWriter } from '../formats/types.js'

const load = createRequire(import.meta.url)

/** What this room needs of the table of formats. */
export type FormatTable = Pick<typeof import('../formats/index.js'), 'isFormatName' | 'getFormat'>

/** The writer of format `name`, undefined where there is none. `module` may name another table of formats than the program's. */
export function formatWriter(name: string, module = '../formats/index.js'): FormatWriter | undefined {
  const { isFormatName, getFormat } = load(module) as FormatTable
  return isFormatName(name) ? getFormat(name).writer : undefined
}
