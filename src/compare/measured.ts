// What is compared of a run: its work, which must be equal, and its quantities. From result.json, or recomputed from the files of DLIO.
import { statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { GivenFacts } from '../aggregate/facts.js'
import { findResultFolders } from '../aggregate/find.js'
import { type Job, loadJobs } from '../aggregate/jobs.js'
import { type Recomputation, recompute } from '../aggregate/recompute.js'
import { DataError, StorageError } from '../errors.js'
import { readJson } from '../metrics/from-dlio.js'
import { mapping, number } from '../metrics/python-json.js'
import { resultSchemaVersion } from '../output/result.js'
import { type Fields, type Quantity, quantitiesOf } from './quantities.js'

export interface MeasuredRun {
  /** As given on the command line. */
  readonly path: string
  readonly program: 'dl-driver' | 'DLIO'
  /** False for a run that was interrupted or failed. */
  readonly complete: boolean
  /** What must be equal, by name; unknown facts are absent. */
  readonly work: Fields
  readonly quantities: readonly Quantity[]
}

/**
 * Reads one side of a comparison: a result.json, or the output folder of one run. `given`: for folders of DLIO without configuration.
 * Errors: StorageError, DataError naming file and key.
 */
export function readMeasured(path: string, given: GivenFacts): MeasuredRun {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) throw new StorageError(path, 'read', 'there is no such file or folder', 'ENOENT')
  if (!stat.isDirectory()) return fromResult(path, path)
  const file = ['result.json', 'result.partial.json']
    .map((name) => join(path, name))
    .find((name) => statSync(name, { throwIfNoEntry: false }))
  return file === undefined ? fromFolder(path, given) : fromResult(path, file)
}

function fromResult(path: string, file: string): MeasuredRun {
  return measured(path, 'dl-driver', readResult(file), file)
}

/** The fields of a result.json of a version that this program knows. Errors: StorageError, DataError. */
export function readResult(file: string): Fields {
  const result = mapping(readJson(file), file, 'the file')
  if (result.schemaVersion === undefined)
    throw new DataError(
      file,
      `is no result.json of dl-driver (schemaVersion is missing)${basename(file) === 'summary.json' ? '; give the folder that holds it, so that its ranks’ files are read too' : ''}`,
    )
  const version = number(result.schemaVersion, file, 'schemaVersion')
  if (version > resultSchemaVersion)
    throw new DataError(file, `has schemaVersion ${version}; this program knows ${resultSchemaVersion}. Use the version that wrote it`)
  return result
}

function fromFolder(path: string, given: GivenFacts): MeasuredRun {
  const found = findResultFolders([path])
  if (found.length === 0) throw new DataError(path, 'holds no results (no result.json, no 0_output.json); name the output folder of a run')
  const { jobs, skipped } = loadJobs(found, given)
  const [job] = jobs
  if (skipped[0] !== undefined) throw new DataError(path, `cannot be compared: ${skipped[0].problem}`)
  if (job === undefined || jobs.length > 1) throw new DataError(path, `holds ${jobs.length} runs; name the folder of one`)
  return measuredJob(path, job, recompute(job))
}

/** The same of a job whose figures were computed again. */
export function measuredJob(path: string, job: Job, { own }: Recomputation): MeasuredRun {
  const fields = {
    train: own.train,
    evaluation: own.evaluation,
    checkpoint: own.checkpoint,
    world: { ranks: own.ranks },
    settings: own.settings,
    work: job.facts?.work,
  }
  return measured(path, job.program, fields, path)
}

/** What is compared of the fields of `file`. Errors: DataError naming file and key. */
export function measured(path: string, program: MeasuredRun['program'], fields: Fields, file: string): MeasuredRun {
  return { path, program, complete: fields.complete !== false, work: workOf(fields, file), quantities: quantitiesOf(fields, file) }
}

function workOf(fields: Fields, file: string): Fields {
  const section = (name: string) => (fields[name] === undefined ? {} : mapping(fields[name], file, name))
  const settings = section('settings')
  const train = section('train')
  const known: Record<string, unknown> = {
    ranks: section('world').ranks,
    semantics: fields.semantics,
    framework: section('framework').name,
    'order digest': fields.orderDigest,
    'output.metric.exclude_start_steps': settings.excludeStartSteps,
    'output.metric.exclude_end_steps': settings.excludeEndSteps,
    'epochs trained': train.epochs,
    'steps of a rank': train.steps,
    'samples trained': train.samples,
    ...section('work'),
  }
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined))
}
