// DLIO's own output files, in its key order, types and number formats (statscounter.py: __init__, start_train, end_block, save_data).
import { join } from 'node:path'
import type { Workload } from '../config/workload.js'
import { bytesPerGiB } from '../metrics/dlio-metric.js'
import { type Figures, formulas } from '../metrics/formulas.js'
import type { CheckpointRecord, EpochRecord, HostRecord, RankRecord, StepsRecord } from '../metrics/records.js'
import { checkpointSeconds, rankFigures, type Summary, type SummaryInput } from '../metrics/summary.js'
import type { World } from '../plan/types.js'
import { writeAtomically } from './atomic.js'
import { dlioTimestamp, emitPythonJson, float, type PythonValue, pythonFixed, pythonJson } from './python.js'

/** What DLIO's files are made from: records (of all ranks for summary.json, else of any), their summary, the workload, and the whole job's size. */
export interface DlioFilesInput {
  readonly record: SummaryInput
  readonly summary: Summary
  readonly workload: Workload
  readonly world: World
}

type Fields = { readonly [key: string]: PythonValue | undefined }

/** Contents of summary.json. */
export function summaryJson(input: DlioFilesInput): string {
  const { record, summary, world } = input
  const { dataset } = input.workload
  const host = record.hosts[0]
  const hostGiB = record.hosts.map(({ memoryBytes }) => memoryBytes / bytesPerGiB)
  const dataGiB = dataPerHostGiB(input)
  return pythonJson({
    start: dlioTimestamp(record.beginMs),
    num_accelerators: world.ranks,
    num_hosts: world.hosts,
    hostname: host?.hostname,
    metric: metricFields(summary),
    num_files_train: dataset.numFilesTrain,
    num_files_eval: dataset.numFilesEval,
    num_samples_per_file: dataset.numSamplesPerFile,
    host_cpu_count: record.hosts.map(({ cpuCount }) => cpuCount),
    host_processor_name: host?.processorName,
    potential_caching: hostGiB.map((memoryGiB) => (memoryGiB <= dataGiB ? 0 : 1)),
    host_cpuinfo: facts(host?.cpuinfo),
    host_meminfo: facts(host?.meminfo),
    host_memory_GB: hostGiB.map(float),
    data_size_per_host_GB: float(dataGiB),
    epochs: summary.train?.epochs ?? 0,
    end: dlioTimestamp(record.endMs),
  })
}

/** Contents of R_output.json. */
export function rankOutputJson(input: DlioFilesInput, rank: RankRecord): string {
  return pythonJson(rankOutput(input, rank))
}

function rankOutput(input: DlioFilesInput, rank: RankRecord): PythonValue {
  const { record, summary } = input
  const host = hostOf(input, rank)
  const memoryGiB = (host?.memoryBytes ?? 0) / bytesPerGiB
  const figures = rankFigures({ ...record, ranks: [rank] }, summary.settings, formulas[summary.formula])[0]!
  const fields = new Map<string, PythonValue | undefined>([
    ['host_memory_GB', float(memoryGiB)],
    ['host_cpu_count', host?.cpuCount],
    ['host_processor_name', host?.processorName],
    ['potential_caching', dataPerHostGiB(input) <= memoryGiB ? 1 : 0],
    ['host_cpuinfo', facts(host?.cpuinfo)],
    ['host_meminfo', facts(host?.meminfo)],
  ])
  rank.epochs.forEach((epoch, i) => {
    const { blocks, evaluation } = figures.epochs[i]!
    fields.set(String(epoch.epoch), rankEpoch(epoch, blocks, evaluation, summary.settings.trains))
  })
  return fields.set('hostname', host?.hostname)
}

/** Contents of R_per_epoch_stats.json. */
export function perEpochStatsJson(rank: RankRecord, trains: boolean): string {
  return pythonJson(new Map(rank.epochs.map((epoch) => [String(epoch.epoch), epochStats(epoch, trains)])))
}

/** Writes R_output.json and R_per_epoch_stats.json of each rank in the record. Errors: StorageError. */
export function writeRankFiles(folder: string, input: DlioFilesInput): void {
  for (const rank of input.record.ranks) {
    writeAtomically(join(folder, `${rank.rank}_per_epoch_stats.json`), perEpochStatsJson(rank, input.summary.settings.trains))
    // It holds every step, so it is never held as text.
    writeAtomically(join(folder, `${rank.rank}_output.json`), (emit) => emitPythonJson(rankOutput(input, rank), emit))
  }
}

/**
 * Writes summary.json: on rank 0, after all other files of all ranks, and only for runs that finished, since harnesses publish every summary.json that
 * they find. Errors: StorageError.
 */
export function writeSummaryFile(folder: string, input: DlioFilesInput): void {
  writeAtomically(join(folder, 'summary.json'), summaryJson(input), true)
}

function metricFields(summary: Summary): Fields {
  const fields: Record<string, PythonValue> = {}
  for (const [key, value] of Object.entries(summary.metric)) {
    if (typeof value === 'number') fields[key] = float(value)
    else if (typeof value === 'string') fields[key] = value
    else fields[key] = value.map((item) => (item === null ? null : float(item)))
  }
  return fields
}

function rankEpoch(epoch: EpochRecord, blocks: readonly Figures[], evaluation: Figures | undefined, trains: boolean): Fields {
  const lists = (of: (steps: StepsRecord) => Float64Array): Fields => ({
    ...Object.fromEntries(epoch.blocks.map((block, i) => [`block${i + 1}`, seconds(of(block))])),
    ...(epoch.evaluation ? { eval: seconds(of(epoch.evaluation)) } : {}),
  })
  const numbers = (of: (figures: Figures) => number | undefined): Fields => {
    const named: [string, Figures][] = blocks.map((block, i) => [`block${i + 1}`, block])
    if (evaluation) named.push(['eval', evaluation])
    return Object.fromEntries(
      named.map(([name, figures]) => {
        const value = of(figures)
        return [name, value === undefined ? undefined : float(value)]
      }),
    )
  }
  return {
    // DLIO's start_train replaces the epoch's object, so that its start survives only where nothing is trained.
    start: trains ? undefined : dlioTimestamp(epoch.beginMs),
    load: lists((steps) => steps.loadMs),
    proc: lists((steps) => steps.procMs),
    throughput: numbers((figures) => figures.samplesPerSecond),
    au: numbers((figures) => figures.auPercent),
    compute: lists((steps) => steps.computeMs),
    host_meminfo: facts(epoch.meminfo),
    end: dlioTimestamp(epoch.endMs),
  }
}

function epochStats(epoch: EpochRecord, trains: boolean): Fields {
  const fields: Record<string, PythonValue> = { start: dlioTimestamp(epoch.beginMs) }
  const written = new Set<CheckpointRecord>()
  epoch.blocks.forEach((block, i) => {
    fields[`block${i + 1}`] = stretch(block)
    for (const checkpoint of epoch.checkpoints)
      if (checkpoint.block === i + 1) {
        fields[`${checkpoint.kind}_ckpt${checkpoint.block}`] = checkpointStats(checkpoint)
        written.add(checkpoint)
      }
  })
  // Where nothing is trained, checkpoints are numbered but end no block.
  for (const checkpoint of epoch.checkpoints)
    if (!written.has(checkpoint)) fields[`${checkpoint.kind}_ckpt${checkpoint.block}`] = checkpointStats(checkpoint)
  fields.end = dlioTimestamp(epoch.endMs)
  if (trains) fields.duration = duration(epoch.beginMs, epoch.trainEndMs)
  if (epoch.evaluation) fields.eval = stretch(epoch.evaluation)
  return fields
}

function stretch({ beginMs, endMs }: StepsRecord): Fields {
  return { start: dlioTimestamp(beginMs), end: dlioTimestamp(endMs), duration: duration(beginMs, endMs) }
}

function checkpointStats(checkpoint: CheckpointRecord): Fields {
  const lengthSeconds = checkpointSeconds(checkpoint)
  return {
    start: dlioTimestamp(checkpoint.beginMs),
    end: dlioTimestamp(checkpoint.endMs),
    duration: float(lengthSeconds),
    throughput: lengthSeconds > 0 ? float(checkpoint.sizeBytes / bytesPerGiB / lengthSeconds) : undefined,
  }
}

/** Seconds between two stamps with two decimals, as text. */
function duration(beginMs: number, endMs: number): string {
  return pythonFixed(checkpointSeconds({ beginMs, endMs }), 2)
}

function seconds(listMs: Float64Array): PythonValue {
  return listMs.map((ms) => ms / 1000)
}

/** Absent where the system tells nothing. */
function facts(values: Readonly<Record<string, string>> | undefined): Fields | undefined {
  return values && Object.keys(values).length > 0 ? values : undefined
}

/** Ranks fill hosts one after another, as mpirun places them by default. A process that knows one host only runs on it. */
function hostOf(input: DlioFilesInput, rank: RankRecord): HostRecord | undefined {
  const { hosts } = input.record
  return hosts.length === 1 ? hosts[0] : hosts[Math.floor(rank.rank / ranksPerHost(input.world))]
}

function ranksPerHost(world: World): number {
  return Math.ceil(world.ranks / world.hosts)
}

/** GiB of training data that each host reads in an epoch, rounded down to whole samples as DLIO does. */
function dataPerHostGiB({ summary, workload: { dataset }, world }: DlioFilesInput): number {
  const samples = Math.floor((ranksPerHost(world) * dataset.numSamplesPerFile * dataset.numFilesTrain) / world.ranks)
  return (samples * summary.settings.recordBytes) / bytesPerGiB
}
