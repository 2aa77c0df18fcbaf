// What `dl-driver plan` does: load the workload, plan, print.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { loadWorkload } from '../config/load.js'
import type { Warning, Workload } from '../config/workload.js'
import { computedFiles } from '../dataset/naming.js'
import { ConfigError } from '../errors.js'
import { lazily } from '../package.js'
import { createPlan } from '../plan/plan.js'
import type { DatasetFiles, Plan } from '../plan/types.js'
import { isObjectLocation, parseLocation } from '../storage/uri.js'
import type { PlanOptions } from './plan.js'
import { writeLines } from './write-lines.js'

/** Runs the command. Throws ConfigError, and RunError where the data folder holds too few files. */
export async function planCommand(config: string, overrides: readonly string[], options: PlanOptions): Promise<void> {
  checkFlags(options)
  const { semantics, framework, honour, ranks } = options
  const load = lazily<{ loadWorkload: typeof loadWorkload }>('config/load.js')
  const { workload, warnings } = load.loadWorkload({ config, overrides, semantics, framework, honour })
  if (options.dims) return writeLines(process.stdout, dimsLines(workload, ranks))
  const found = filesOf(workload)
  const plan = createPlan(workload, { ranks, hosts: 1 }, found.files)
  tell([...warnings, ...found.warnings, ...plan.warnings])
  await writeLines(process.stdout, output(plan, options))
}

function checkFlags({ order, digest, dims, json, epochs }: PlanOptions): void {
  if (order && dims) throw new ConfigError('--order and --dims are different answers; ask for one')
  if (digest && !order) throw new ConfigError('--digest belongs to --order')
  if (epochs !== undefined && !order) throw new ConfigError('--epochs belongs to --order')
  if (json && (order || dims)) throw new ConfigError('--json is for the summary; --order and --dims print JSON lines in any case')
}

function output(plan: Plan, { order, digest, epochs, json }: PlanOptions): Iterable<string> {
  if (order) {
    const { orderLines, digestLines } = lazily<typeof import('../plan/order-lines.js')>('plan/order-lines.js')
    return (digest ? digestLines : orderLines)(plan, Math.min(plan.epochs, epochs ?? Number.POSITIVE_INFINITY))
  }
  const { summarize, summaryTable } = lazily<typeof import('../plan/summary.js')>('plan/summary.js')
  const summary = summarize(plan)
  return [json ? `${JSON.stringify(summary)}\n` : summaryTable(summary)]
}

/** The files of the data folder as a run would find them; computed names where there is no folder, or none that can be listed. */
function filesOf(workload: Workload): { files: DatasetFiles; warnings: readonly Warning[] } {
  const location = parseLocation(workload.dataset.folder)
  // A plan never asks the network: names are computed.
  if (isObjectLocation(location)) return { files: computedFiles(workload), warnings: [] }
  const { path } = location
  if (!workload.workflow.train || !existsSync(join(path, 'train'))) return { files: computedFiles(workload), warnings: [] }
  const { listDataset } = lazily<typeof import('../dataset/listing.js')>('dataset/listing.js')
  return listDataset(workload, path)
}

function* dimsLines(workload: Workload, ranks: number): Generator<string> {
  const { fileDimensions } = lazily<typeof import('../dataset/dims.js')>('dataset/dims.js')
  for (const line of fileDimensions(workload, { ranks })) yield `${JSON.stringify(line)}\n`
}

function tell(warnings: readonly Warning[]): void {
  for (const { message } of warnings) process.stderr.write(`warning: ${message}\n`)
}
