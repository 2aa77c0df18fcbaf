// The runs of a report: what folders of dl-driver or DLIO hold, read with the functions of `aggregate` and `compare`.
import { basename, dirname, join, resolve } from 'node:path'
import type { GivenFacts } from '../aggregate/facts.js'
import { findResultFolders, type ResultFolder } from '../aggregate/find.js'
import { type Job, loadJobs } from '../aggregate/jobs.js'
import { type Recomputation, recompute } from '../aggregate/recompute.js'
import { type MeasuredRun, measured, measuredJob, readResult } from '../compare/measured.js'
import { DlDriverError } from '../errors.js'
import type { Result } from '../output/result.js'
import { checkedResult } from './stored-result.js'

/** What a run measured, stored by it or computed again from its steps. */
export type RunFigures = Pick<Recomputation['own'], 'train' | 'evaluation' | 'checkpoint' | 'timeSplit' | 'measuredTimeSplit'> & {
  readonly settings: Pick<Result['settings'], 'batchSize' | 'recordBytes' | 'excludeStartSteps' | 'excludeEndSteps'>
  readonly warnings: Result['warnings']
}

export interface ReportRun {
  /** The end of the folder's path that tells it from the other runs'. */
  readonly label: string
  /** What was trained: the workload's or the model's name, where it is known. */
  readonly name: string
  /** As found below the folders that were named. */
  readonly folders: readonly string[]
  readonly program: MeasuredRun['program']
  /** What `compare` compares. */
  readonly measured: MeasuredRun
  readonly figures: RunFigures
  /** Of a run of this program. */
  readonly result?: Result
  /** The ranks' recorded steps, where their files are there. */
  readonly job?: Job
  /** How stored numbers agree with those steps. */
  readonly recomputed?: Recomputation
}

/** More runs than that make no readable page. */
export const mostRuns = 16

type Loaded = Omit<ReportRun, 'label'>

/** Reads all runs in and below `folders`. Every folder that cannot be used is one of the `problems`; then there is no report. */
export function loadRuns(folders: readonly string[], given: GivenFacts): { runs: ReportRun[]; problems: string[] } {
  const problems: string[] = []
  const attempt = <T>(read: () => T): T[] => {
    try {
      return [read()]
    } catch (error) {
      if (!(error instanceof DlDriverError)) throw error
      problems.push(error.message)
      return []
    }
  }
  const found = new Map<string, ResultFolder>()
  for (const folder of folders)
    for (const below of attempt(() => findResultFolders([folder]))) {
      if (below.length === 0)
        problems.push(
          `${folder}: holds no results: looked for result.json, summary.json and 0_output.json there and below; name the output folder of a run`,
        )
      for (const result of below) found.set(resolve(result.path), result)
    }
  // A result alone tells less, but tells it; an interrupted run has nothing else.
  const alone = (folder: ResultFolder) => folder.isPartial || (folder.hasResult && folder.ranks.length === 0)
  const all = [...found.values()]
  const { jobs, skipped } = loadJobs(
    all.filter((folder) => !alone(folder)),
    given,
  )
  problems.push(...skipped.map(({ problem }) => problem))
  const loaded = [
    ...all.filter(alone).flatMap(({ path, isPartial }) => attempt(() => fromResult([path], resultFile(path, isPartial)))),
    ...jobs.flatMap((job) => attempt(() => fromJob(job, all))),
  ]
  const order = all.map(({ path }) => path)
  loaded.sort((a, b) => order.indexOf(a.folders[0]!) - order.indexOf(b.folders[0]!))
  if (loaded.length > mostRuns)
    problems.push(`found ${loaded.length} runs; a report shows at most ${mostRuns} side by side, so name fewer folders`)
  const labels = distinctLabels(loaded.map(({ folders: [first] }) => first!))
  return { runs: loaded.map((run, i) => ({ ...run, label: labels[i]! })), problems }
}

function resultFile(folder: string, isPartial = false): string {
  return join(folder, isPartial ? 'result.partial.json' : 'result.json')
}

function fromResult(folders: readonly string[], file: string): Loaded {
  const fields = readResult(file)
  const result = checkedResult(fields, file)
  const { train, evaluation, checkpoint = {}, timeSplit, measuredTimeSplit, settings, warnings } = result
  return {
    name: result.workload.name,
    folders,
    program: 'dl-driver',
    measured: measured(folders[0]!, 'dl-driver', fields, file),
    result,
    figures: {
      ...(train ? { train } : {}),
      ...(evaluation ? { evaluation } : {}),
      checkpoint,
      ...(timeSplit ? { timeSplit } : {}),
      ...(measuredTimeSplit ? { measuredTimeSplit } : {}),
      settings,
      warnings,
    },
  }
}

function fromJob(job: Job, all: readonly ResultFolder[]): Loaded {
  const recomputed = recompute(job)
  const withResult = all.find(({ path, hasResult }) => hasResult && job.folders.includes(path))
  if (withResult) return { ...fromResult(job.folders, resultFile(withResult.path)), job, recomputed }
  const folder = job.folders[0]!
  return {
    name: job.facts?.modelName ?? basename(resolve(folder)),
    folders: job.folders,
    program: job.program,
    measured: measuredJob(folder, job, recomputed),
    figures: recomputed.own,
    job,
    recomputed,
  }
}

/** The shortest ends of paths that differ: `before` and `after`, or `one/out` and `two/out`. */
export function distinctLabels(paths: readonly string[]): string[] {
  const whole = paths.map((path) => resolve(path))
  const ends = whole.map((path) => basename(path) || path)
  let heads = whole.map(dirname)
  for (;;) {
    const repeated = ends.map((end) => ends.indexOf(end) !== ends.lastIndexOf(end))
    if (!repeated.includes(true) || heads.every((head) => head === dirname(head))) return ends
    repeated.forEach((isRepeated, i) => {
      if (isRepeated && heads[i] !== dirname(heads[i]!)) ends[i] = join(basename(heads[i]!), ends[i]!)
    })
    heads = heads.map((head, i) => (repeated[i] ? dirname(head) : head))
  }
}
