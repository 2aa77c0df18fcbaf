// What must be known beside the recorded steps to compute metrics again: batch size, size of a sample, excluded steps. From the options, the
// run's own result.json, or the configuration that hydra stored beside the results.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readSection } from '../config/read-section.js'
import { readText } from '../config/read-text.js'
import { Report } from '../config/report.js'
import { withStdev } from '../config/schema/duration.js'
import { sectionAliases, sections } from '../config/schema/index.js'
import type { Keys, Section, ValuesOf } from '../config/schema/key.js'
import { type MapNode, nodeAt, toPlain } from '../config/tree.js'
import { parseYaml } from '../config/yaml-file.js'
import { ConfigError, DataError } from '../errors.js'
import { mapping, number } from '../metrics/python-json.js'
import { type MetricSettings, recordBytes } from '../metrics/settings.js'
import type { WorkFacts } from '../metrics/work.js'

/** Facts given on the command line; each goes before what a folder says. */
export interface GivenFacts {
  readonly batchSize?: number
  readonly batchSizeEval?: number
  readonly recordBytes?: number
  readonly excludeStartSteps?: number
  readonly excludeEndSteps?: number
  /** Percent. */
  readonly targetAu?: number
}

/** All that a folder tells about its run; what nobody says is absent. */
export interface RunFacts extends GivenFacts {
  readonly stepsPerEpoch?: number
  readonly stepsPerEval?: number
  readonly samplesPerEpoch?: number
  readonly samplesPerEval?: number
  /** DLIO upstream counts 1 byte a sample when it generates and trains in one run. */
  readonly generatesAndTrains: boolean
  readonly work: WorkFacts
  /** Name of the model, where the configuration says it. */
  readonly modelName?: string
  /** The files that said so. */
  readonly sources: readonly string[]
}

/** Where hydra stores the effective configuration: by default, for mlpstorage, in MLPerf Storage v1.0. */
const usualFolders = ['.hydra', 'dlio_config', 'configs', '.']

/** Facts from config.yaml of a run folder, or undefined where there is none. Errors: DataError naming the file, and the key where one is wrong. */
export function configFacts(folder: string): RunFacts | undefined {
  const path = configPath(folder)
  if (path === undefined) return undefined
  return readConfig(path)
}

function configPath(folder: string): string | undefined {
  const others = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !usualFolders.includes(entry.name))
    .map((entry) => entry.name)
    .sort()
  return [...usualFolders, ...others].map((name) => join(folder, name, 'config.yaml')).find((path) => existsSync(path))
}

function readConfig(path: string): RunFacts {
  let root: MapNode
  try {
    root = parseYaml(readText(path, path), path)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new DataError(path, error.problems[0]?.rule ?? error.message)
  }
  const inner = nodeAt(root, ['workload'])
  const workload = inner?.kind === 'map' ? inner : root
  const at = (section: Section) => {
    const alias = [...sectionAliases].find(([name, target]) => target === section.name && workload.entries.has(name))?.[0]
    const node = workload.entries.get(alias ?? section.name)?.value
    if (node !== undefined && node.kind !== 'map' && !(node.kind === 'scalar' && node.value === null))
      throw new DataError(path, `${alias ?? section.name} must be a mapping of keys to values`)
    return node
  }
  /** Values of a section: those needed for figures must be sound, others stand as they are written. */
  const values = <K extends Keys>(section: Section<K>, ...needed: (keyof K & string)[]): ValuesOf<K> => {
    const read = readSection(section, at(section), new Report())
    const broken = Object.keys(section.keys).filter((key) => read.broken(key))
    const written = (key: string) => toPlain(read.given(key)!)
    const refused = needed.find((key) => broken.includes(key))
    if (refused !== undefined) throw new DataError(path, `${section.name}.${refused} is no such value: ${JSON.stringify(written(refused))}`)
    return { ...read.values, ...Object.fromEntries(broken.map((key) => [key, written(key)])) }
  }
  const dataset = values(
    sections.dataset,
    'num_files_train',
    'num_files_eval',
    'num_samples_per_file',
    'record_length_bytes',
    'record_dims',
    'record_element_type',
  )
  const reader = values(sections.reader, 'batch_size', 'batch_size_eval')
  const output = values(sections.output, 'metric.exclude_start_steps', 'metric.exclude_end_steps')
  const train = values(sections.train, 'total_training_steps', 'computation_time', 'computation_time_stdev')
  const evaluation = values(sections.evaluation, 'eval_time', 'eval_time_stdev')
  const workflow = values(sections.workflow, 'generate_data', 'train', 'evaluation', 'checkpoint')
  const metric = values(sections.metric, 'au')
  const sampleBytes = recordBytes({
    recordDims: dataset.record_dims,
    recordElementType: dataset.record_element_type,
    recordLengthBytes: oldRecordLength(workload, path) ?? dataset.record_length_bytes,
  })
  return {
    batchSize: reader.batch_size,
    batchSizeEval: reader.batch_size_eval,
    recordBytes: sampleBytes,
    excludeStartSteps: output['metric.exclude_start_steps'],
    excludeEndSteps: output['metric.exclude_end_steps'],
    targetAu: 100 * metric.au,
    ...(train.total_training_steps > 0 ? { stepsPerEpoch: train.total_training_steps } : {}),
    generatesAndTrains: workflow.generate_data && workflow.train,
    work: {
      'workflow.train': workflow.train,
      'workflow.evaluation': workflow.evaluation,
      'workflow.checkpoint': workflow.checkpoint,
      'dataset.format': dataset.format,
      'dataset.num_files_train': dataset.num_files_train,
      'dataset.num_samples_per_file': dataset.num_samples_per_file,
      'dataset.record_length_bytes': sampleBytes,
      'dataset.record_length_bytes_stdev': dataset.record_length_bytes_stdev,
      'reader.batch_size': reader.batch_size,
      'reader.sample_shuffle': reader.sample_shuffle,
      'train.epochs': train.epochs,
      'train.computation_time': withStdev(train.computation_time, train.computation_time_stdev),
      'train.total_training_steps': train.total_training_steps > 0 ? train.total_training_steps : -1,
      ...(workflow.evaluation
        ? {
            'dataset.num_files_eval': dataset.num_files_eval,
            'reader.batch_size_eval': reader.batch_size_eval,
            'evaluation.eval_time': withStdev(evaluation.eval_time, evaluation.eval_time_stdev),
          }
        : {}),
    },
    ...modelName(workload),
    sources: [path],
  }
}

/** Before v1.0 the section itself was the name. */
function modelName(workload: MapNode): { modelName?: string } {
  const model = nodeAt(workload, ['model'])
  const name = model?.kind === 'map' ? nodeAt(model, ['name']) : model
  return name?.kind === 'scalar' && typeof name.value === 'string' ? { modelName: name.value } : {}
}

/** Before v1.0 the key was `record_length`. */
function oldRecordLength(workload: MapNode, path: string): number | undefined {
  if (nodeAt(workload, ['dataset', 'record_length_bytes'])) return undefined
  const old = nodeAt(workload, ['dataset', 'record_length'])
  return old && number(toPlain(old), path, 'dataset.record_length')
}

/** Facts from a result.json of this program; undefined where it holds none. Errors: DataError naming file and key. */
export function resultFacts(result: Readonly<Record<string, unknown>>, path: string): RunFacts | undefined {
  if (result.settings === undefined) return undefined
  const settings = mapping(result.settings, path, 'settings')
  const value = (key: string) => number(settings[key], path, `settings.${key}`)
  const optional = (key: string) => (settings[key] === undefined ? {} : { [key]: value(key) })
  return {
    batchSize: value('batchSize'),
    batchSizeEval: value('batchSizeEval'),
    recordBytes: value('recordBytes'),
    excludeStartSteps: value('excludeStartSteps'),
    excludeEndSteps: value('excludeEndSteps'),
    targetAu: value('targetAuPercent'),
    stepsPerEpoch: value('stepsPerEpoch'),
    stepsPerEval: value('stepsPerEval'),
    ...optional('samplesPerEpoch'),
    ...optional('samplesPerEval'),
    generatesAndTrains: false,
    work: result.work === undefined ? {} : mapping(result.work, path, 'work'),
    sources: [path],
  }
}

/** What was recorded decides what has to be known. */
export interface Recorded {
  readonly trains: boolean
  readonly evaluates: boolean
  readonly checkpoints: boolean
}

/**
 * Puts the settings of the metrics together. Without any configuration DLIO's defaults hold for what has one that hardly anybody changes (1 step excluded, AU of
 * 90 %); batch and sample sizes must be known. Errors: DataError that says what is missing and how to give it.
 */
export function settingsOf(folder: string, facts: RunFacts | undefined, given: GivenFacts, recorded: Recorded): MetricSettings {
  const all: GivenFacts = { ...facts, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) }
  const missing = [
    ...(recorded.trains && all.batchSize === undefined ? ['the batch size (--batch-size)'] : []),
    ...(recorded.evaluates && all.batchSizeEval === undefined ? ['the batch size of evaluation (--batch-size-eval)'] : []),
    ...((recorded.trains || recorded.evaluates) && all.recordBytes === undefined ? ['the bytes of a sample (--record-bytes)'] : []),
  ]
  if (missing.length > 0)
    throw new DataError(
      folder,
      `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not known: the folder holds neither a config.yaml (in .hydra, dlio_config or configs) ` +
        'nor a result.json with settings; give the options, or put the configuration there',
    )
  return {
    ...recorded,
    batchSize: all.batchSize ?? 1,
    batchSizeEval: all.batchSizeEval ?? 1,
    recordBytes: all.recordBytes ?? 0,
    excludeStartSteps: all.excludeStartSteps ?? 1,
    excludeEndSteps: all.excludeEndSteps ?? 0,
    targetAuPercent: all.targetAu ?? 90,
  }
}
