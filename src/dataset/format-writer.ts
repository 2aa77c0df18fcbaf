// The writer of a format, loaded when it is first used: commands that do not generate never pay for it.
import type { FormatWriter } from '../formats/types.js'
import { dependency, lazily } from '../package.js'

/** What this room needs of the table of formats. */
export type FormatTable = Pick<typeof import('../formats/index.js'), 'isFormatName' | 'getFormat'>

/** The writer of format `name`, undefined where there is none. `module` may name another table of formats than the program's. */
export function formatWriter(name: string, module?: string): FormatWriter | undefined {
  const { isFormatName, getFormat } =
    module === undefined ? lazily<typeof import('../formats/index.js')>('formats/index.js') : dependency<FormatTable>(module)
  return isFormatName(name) ? getFormat(name).writer : undefined
}
