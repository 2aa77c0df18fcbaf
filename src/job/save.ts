// What a job leaves behind: the records of all processes joined, DLIO's files, result.json; and whether the data set stays.
import { together } from '../cluster/agreement.js'
import type { World } from '../cluster/world.js'
import type { Warning } from '../config/workload.js'
import { deleteDataset } from '../dataset/delete.js'
import { StorageError } from '../errors.js'
import type { RunRecord } from '../metrics/records.js'
import { summarizeRun } from '../metrics/summary.js'
import { workFacts } from '../metrics/work.js'
import { runDigest } from '../order/digest.js'
import { type DlioFilesInput, writeRankFiles, writeSummaryFile } from '../output/dlio-files.js'
import type { RunLog } from '../output/events.js'
import { buildResult, writeResult } from '../output/result.js'
import { packageInfo } from '../package.js'
import { checkpointsOnly } from './checkpoints.js'
import { joinRecords } from './join-records.js'
import type { Prepared } from './prepare.js'
import type { JobOptions, JobOutcome, Session } from './types.js'

/** What this process has measured. */
interface Own {
  readonly own: RunRecord
  readonly complete: boolean
  /** Why it is not complete; a signal unless given. */
  readonly interruption?: string
  readonly lateWarnings: readonly Warning[]
}

/** Collective. Of an interrupted run only the partial result is written. Throws StorageError. */
export async function save(
  options: JobOptions,
  { access, logs }: { readonly access: Session['access']; readonly logs: Pick<Session['logs'], 'all'> },
  prepared: Pick<Prepared, 'plan' | 'warnings'>,
  measured: Own,
): Promise<JobOutcome> {
  const { workload, world: job } = options
  const { plan } = prepared
  const { own } = measured
  const log = logs.all
  const only = checkpointsOnly(workload)
  const lateWarnings = [...measured.lateWarnings]
  const { record, complete, lacksOthers } = await joinRecords(job, own, measured.complete)
  if (lacksOthers)
    lateWarnings.push({ code: 'ranks-missing', message: 'the ranks of other processes ended before they could tell what they measured' })
  // By now nobody reads any more.
  if (complete && job.process === 0 && !only && !workload.dataset.keepFiles) lateWarnings.push(...(await deleteData(access, log)))
  const summary = summarizeRun(record, workload)
  const { world } = plan
  const result = buildResult({
    tool: packageInfo(),
    command: options.command,
    workload,
    world,
    record,
    summary,
    work: workFacts(workload),
    warnings: [...options.warnings, ...prepared.warnings, ...lateWarnings],
    ...(!complete && { interruption: measured.interruption ?? 'interrupted by a signal' }),
    ...(complete && !only && job.process === 0 && { orderDigest: runDigest(plan) }),
  })
  if (complete) await saveDlioFiles(options.outputFolder, { record, summary, workload, world }, own, job, log)
  if (job.process === 0 && (options.writesResult !== false || !complete)) writeResult(options.outputFolder, result)
  return { result, summary, record, lateWarnings }
}

/** dataset.keep_files: false. What was measured stays, even where the data cannot be deleted. */
async function deleteData({ folder, objects }: Session['access'], log: RunLog): Promise<Warning[]> {
  log.line('info', 'Keep files set to False. Deleting dataset')
  try {
    const left = objects ? await objects.deleteDataset().then(() => []) : deleteDataset(folder)
    log.line('info', 'Deleted data files')
    if (left.length === 0) return []
    return [{ code: 'keep-files', message: `${folder} was not deleted: besides the data set it holds ${left.slice(0, 5).join(', ')}` }]
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
    return [{ code: 'keep-files', message: `dataset.keep_files is false, but ${error.message}` }]
  }
}

/** DLIO's files, each process its own ranks'; summary.json last, once all others are there, since harnesses publish whatever they find. */
async function saveDlioFiles(folder: string, input: DlioFilesInput, own: RunRecord, job: World, log: RunLog): Promise<void> {
  await together(job, () => writeRankFiles(folder, { ...input, record: own }))
  if (job.process !== 0) return
  log.event({ type: 'outputSaved', atMs: Date.now(), folder })
  log.event({ type: 'runEnd', atMs: Date.now(), summary: input.summary })
  log.event({ type: 'rankOutputsSaved', atMs: Date.now() })
  writeSummaryFile(folder, input)
}
