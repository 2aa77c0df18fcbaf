// What the generator needs of other rooms, loaded when it is first used: commands that do not generate never pay for the writers.
import { createRequire } from 'node:module'
import type { Workload } from '../config/workload.js'
import type { Format, FormatWriter } from '../formats/types.js'
import type { FileList } from '../order/types.js'

const load = createRequire(import.meta.url)

/** Names of a workload's files as its configuration says. */
export function computedFiles(workload: Workload): { readonly train: FileList; readonly valid: FileList } {
  return (load('./naming.js') as { computedFiles(workload: Workload): { train: FileList; valid: FileList } }).computedFiles(workload)
}

/** The writer of format `name`, undefined where there is none. `module` may name another table of formats than the program's. */
export function formatWriter(name: string, module = '../formats/index.js'): FormatWriter | undefined {
  const { formats } = load(module) as { formats: Readonly<Record<string, Format | undefined>> }
  return formats[name]?.writer
}
