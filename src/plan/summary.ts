// `plan` without flags: the size of a run before it is run.
import { rankFileBytes } from '../checkpoint/formats.js'
import { checkpointTotals, reportedBytes } from '../checkpoint/layout.js'
import { trainingCheckpoints } from '../checkpoint/schedule.js'
import type { Duration, Workload } from '../config/workload.js'
import { typicalDims } from '../dataset/dims.js'
import type { Plan, SplitPlan } from './types.js'

/** What the configuration and the mapping say about one split. */
export interface SplitSummary {
  readonly files: number
  readonly filesUsed: number
  readonly samplesPerFile: number
  readonly batchSize: number
  readonly stepsPerEpoch: number
  /** Samples that all ranks together get in one epoch. */
  readonly samplesPerEpoch: number
  /** Payload of the files, without the framing of the format; records of varying size count with their typical one. */
  readonly dataBytes: number
  /** Payload of the samples of one epoch. */
  readonly bytesPerEpoch: number
  /** Each rank's share of computation in one epoch: no run is faster. */
  readonly computeSecondsPerEpoch: number
}

/** The checkpoints of a run. */
export interface CheckpointsSummary {
  /** Written in training, or in a run that does nothing else, and read back. */
  readonly writes: number
  readonly reads: number
  readonly filesEach: number
  /** Bytes of the files of one checkpoint, of all ranks, framing included. */
  readonly bytesEach: number
  /** What DLIO reports as the size of one. */
  readonly reportedBytes: number
  /** Most that one rank writes. */
  readonly largestRankBytes: number
}

export interface PlanSummary {
  readonly schemaVersion: 1
  readonly command: 'plan'
  readonly workload: string
  readonly configDigest: string
  readonly semantics: string
  readonly framework: string
  readonly frameworkReason: string
  readonly ranks: number
  readonly readersPerRank: number
  readonly epochs: number
  readonly evaluations: number
  readonly sampleBytes: number
  readonly train: SplitSummary
  readonly valid: SplitSummary
  readonly memory: {
    /** Shuffled lists that the threads of a process share. */
    readonly fileListBytes: number
    /** Samples that the framework itself would hold in batches fetched ahead, all ranks. */
    readonly prefetchedSampleBytes: number
  }
  /** Computation of all epochs: the run takes at least as long. */
  readonly atLeastSeconds: number
  /** Absent where none are taken. */
  readonly checkpoints?: CheckpointsSummary
  readonly warnings: readonly { readonly code: string; readonly message: string }[]
}

export function summarize(plan: Plan): PlanSummary {
  const { workload, world, epochs } = plan
  const { train, evaluation, reader } = workload
  const trainSummary = splitSummary(plan, plan.train, train.computationTime)
  const validSummary = splitSummary(plan, plan.valid, evaluation.evalTime)
  let evaluations = 0
  for (let epoch = 1; epoch <= epochs; epoch++) if (plan.evaluates(epoch)) evaluations++
  const sampleBytes = typicalSampleBytes(workload)
  return {
    schemaVersion: 1,
    command: 'plan',
    workload: workload.source.name,
    configDigest: workload.source.configDigest,
    semantics: workload.semantics,
    framework: workload.framework,
    frameworkReason: workload.frameworkReason,
    ranks: world.ranks,
    readersPerRank: reader.readThreads,
    epochs,
    evaluations,
    sampleBytes,
    train: trainSummary,
    valid: validSummary,
    memory: {
      fileListBytes: plan.sharedBytes,
      prefetchedSampleBytes: batchesAhead(workload) * plan.train.batchSize * sampleBytes * world.ranks,
    },
    atLeastSeconds: epochs * trainSummary.computeSecondsPerEpoch + evaluations * validSummary.computeSecondsPerEpoch,
    ...(workload.workflow.checkpoint ? { checkpoints: checkpointsSummary(plan) } : {}),
    warnings: plan.warnings,
  }
}

function checkpointsSummary({ workload, world, epochs, train }: Plan): CheckpointsSummary {
  const { numCheckpointsWrite, numCheckpointsRead } = workload.checkpoint
  const totals = checkpointTotals(workload, world.ranks)
  const trains = workload.workflow.train
  const byRank = rankFileBytes(workload, world.ranks)
  return {
    writes: trains ? trainingCheckpoints(workload, epochs, train.steps) : numCheckpointsWrite,
    reads: trains ? 0 : numCheckpointsRead,
    filesEach: totals.files,
    bytesEach: byRank.reduce((sum, bytes) => sum + bytes, 0),
    reportedBytes: reportedBytes(totals),
    largestRankBytes: byRank.reduce((most, bytes) => Math.max(most, bytes), 0),
  }
}

function splitSummary(plan: Plan, split: SplitPlan, duration: Duration): SplitSummary {
  const { numSamplesPerFile } = plan.workload.dataset
  const sampleBytes = typicalSampleBytes(plan.workload)
  const { samplesPerEpoch } = split
  return {
    files: split.files.count,
    filesUsed: split.numFilesUsed,
    samplesPerFile: numSamplesPerFile,
    batchSize: split.batchSize,
    stepsPerEpoch: split.steps,
    samplesPerEpoch,
    dataBytes: split.files.count * numSamplesPerFile * sampleBytes,
    bytesPerEpoch: samplesPerEpoch * sampleBytes,
    computeSecondsPerEpoch: split.steps * meanSeconds(duration),
  }
}

/** Bytes of one sample's array (dlio-formats.md 1.3: `record_length_bytes` counts elements where there are no dimensions). */
function typicalSampleBytes(workload: Workload): number {
  const elements = typicalDims(workload).reduce((product, dim) => product * dim, 1)
  return elements * elementBytes(workload.dataset.recordElementType)
}

/** Width of a NumPy type by its name: the bits at its end, one byte for those without. */
function elementBytes(type: string): number {
  return Number(/(\d+)$/.exec(type)?.[1] ?? 8) / 8
}

/** Batches a rank's loader keeps ahead (torch: prefetch_factor × workers; tf.data: prefetch). */
function batchesAhead({ reader }: Workload): number {
  const { readThreads, prefetchSize, dataLoader } = reader
  if (dataLoader === 'tensorflow' || dataLoader === 'jax') return Math.max(prefetchSize, 1)
  return readThreads === 0 ? 1 : (Math.ceil(prefetchSize / readThreads) || 2) * readThreads
}

function meanSeconds(duration: Duration): number {
  switch (duration.type) {
    case 'constant':
    case 'normal':
      return Math.abs(duration.mean)
    case 'uniform':
      return Math.abs(duration.min + duration.max) / 2
    case 'gamma':
      return duration.shape * duration.scale
    case 'exponential':
      return duration.scale
    case 'poisson':
      return duration.lam
  }
}

/** The summary as a table for people. */
export function summaryTable(summary: PlanSummary): string {
  const { train, valid, memory } = summary
  const rows: [string, string][] = [
    ['workload', `${summary.workload} (${summary.semantics}, ${summary.framework}: ${summary.frameworkReason})`],
    [
      'ranks',
      `${summary.ranks} with ${summary.readersPerRank === 0 ? 'reads in the training process' : `${summary.readersPerRank} readers each`}`,
    ],
    ['training files', filesText(train)],
  ]
  if (valid.files > 0) rows.push(['evaluation files', filesText(valid)])
  rows.push(['one sample', bytesText(summary.sampleBytes)])
  if (summary.epochs > 0) rows.push(['epoch', epochText(train)])
  if (summary.evaluations > 0) rows.push(['evaluation', `${epochText(valid)}, ${summary.evaluations} times`])
  if (summary.epochs > 0) {
    rows.push([
      'epochs',
      `${summary.epochs}, ${bytesText(summary.epochs * train.bytesPerEpoch + summary.evaluations * valid.bytesPerEpoch)} read in all`,
    ])
    rows.push([
      'memory',
      `${bytesText(memory.fileListBytes)} for file lists; the framework would hold ${bytesText(memory.prefetchedSampleBytes)} of samples read ahead`,
    ])
    rows.push(['takes at least', `${timeText(summary.atLeastSeconds)} of computation`])
  } else rows.push(['epochs', 'none: workflow.train is off'])
  if (summary.checkpoints) rows.push(['checkpoints', checkpointsText(summary.checkpoints)])
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join('')
}

function checkpointsText({ writes, reads, filesEach, bytesEach, largestRankBytes }: CheckpointsSummary): string {
  const back = reads > 0 ? `, ${count(reads)} read back` : ''
  return `${count(writes)} written${back}: ${count(filesEach)} ${filesEach === 1 ? 'file' : 'files'} of ${bytesText(bytesEach)} each time, at most ${bytesText(largestRankBytes)} by one rank`
}

function filesText({ files, filesUsed, samplesPerFile, dataBytes }: SplitSummary): string {
  const used = filesUsed === files ? '' : `, ${count(filesUsed)} used`
  return `${count(files)}${used}, ${count(samplesPerFile)} ${samplesPerFile === 1 ? 'sample' : 'samples'} each, about ${bytesText(dataBytes)}`
}

function epochText({ stepsPerEpoch, batchSize, samplesPerEpoch, bytesPerEpoch }: SplitSummary): string {
  return `${count(stepsPerEpoch)} steps of ${count(batchSize)} on each rank, ${count(samplesPerEpoch)} samples, about ${bytesText(bytesPerEpoch)}`
}

const count = (value: number): string => value.toLocaleString('en-US')

function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  const unit = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  const value = bytes / 1000 ** unit
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toPrecision(3)} ${units[unit]}`
}

function timeText(seconds: number): string {
  if (seconds < 120) return `${seconds.toPrecision(3)} s`
  const minutes = seconds / 60
  return minutes < 120 ? `${minutes.toFixed(1)} minutes` : `${(minutes / 60).toFixed(1)} hours`
}
