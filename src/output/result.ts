// result.json: this program's own record of a run. Its fields are a promise to scripts; `schemaVersion` rises when one changes its meaning or goes.
import { join } from 'node:path'
import { hideSecret } from '../config/problems.js'
import type { FrameworkName, FrameworkProfile, Semantics, Warning, Workload } from '../config/workload.js'
import type { DlioMetric } from '../metrics/dlio-metric.js'
import type { IoRecord, LatencySummary, RunRecord } from '../metrics/records.js'
import type { MetricSettings } from '../metrics/settings.js'
import type { CheckpointSummary, PhaseSummary, Summary } from '../metrics/summary.js'
import type { TimeSplit } from '../metrics/time-split.js'
import type { BoundBy, Verdict } from '../metrics/verdict.js'
import type { WorkFacts } from '../metrics/work.js'
import type { World } from '../plan/types.js'
import { writeAtomically } from './atomic.js'

export const resultSchemaVersion = 1

export interface ResultInput {
  readonly tool: { readonly name: string; readonly version: string }
  /** The command line: program name and arguments. */
  readonly command: readonly string[]
  readonly workload: Workload
  readonly world: World
  readonly record: RunRecord
  readonly summary: Summary
  /** What decides the work of the run, for comparing it with others. */
  readonly work?: WorkFacts
  /** Digest of everything read, in order; absent where it was not computed. */
  readonly orderDigest?: string
  /** Of configuration and plan; those of the summary are added. */
  readonly warnings: readonly Warning[]
  /** Why the run ended early; absent for one that finished. */
  readonly interruption?: string
}

/** The shape of result.json and result.partial.json. What was not measured is absent. */
export interface Result {
  readonly schemaVersion: number
  readonly tool: { readonly name: string; readonly version: string; readonly node: string }
  readonly command: readonly string[]
  readonly complete: boolean
  readonly interruption?: string
  readonly startedAt: string
  readonly endedAt: string
  readonly workload: { readonly name: string; readonly path: string; readonly format: string; readonly folder: string }
  readonly configDigest: string
  /** What another run must agree in to be comparable, by DLIO's key names. */
  readonly work?: WorkFacts
  /** What the figures were computed with, so that they can be computed again from the ranks' files. */
  readonly settings: MetricSettings & Pick<RunRecord, 'stepsPerEpoch' | 'stepsPerEval' | 'samplesPerEpoch' | 'samplesPerEval'>
  readonly semantics: Semantics
  /** Settings that were taken at their word where DLIO does not; absent where there are none. */
  readonly honoured?: readonly string[]
  readonly framework: { readonly name: FrameworkName; readonly reason: string }
  /** The framework profile in effect; absent where DLIO's mapping was. */
  readonly profile?: FrameworkProfile
  readonly world: World
  /** Making the data set, where the job did; absent otherwise. */
  readonly generation?: RunRecord['generation']
  readonly train?: PhaseSummary
  readonly evaluation?: PhaseSummary
  /** `bytesWritten`: of all files of this process, framing included. `objects`: of checkpoints in object storage. */
  readonly checkpoint?: {
    readonly save?: CheckpointSummary
    readonly load?: CheckpointSummary
    readonly bytesWritten?: number
    readonly objects?: RunRecord['checkpointObjects']
  }
  /** `bytesPerSecond`: of all bytes asked, over the time in which epochs ran. */
  readonly io: IoRecord & { readonly bytesPerSecond?: number }
  /** Of a run on object storage: where, requests by kind and endpoint, retries by cause; absent for files. */
  readonly objects?: RunRecord['objects']
  readonly client: RunRecord['client']
  readonly hosts: readonly {
    readonly hostname: string
    readonly cpuCount: number
    readonly cpuModel?: string
    readonly memoryBytes: number
  }[]
  readonly timeSplit?: TimeSplit
  readonly measuredTimeSplit?: TimeSplit
  readonly boundBy: BoundBy
  readonly verdict: Verdict
  readonly orderDigest?: string
  readonly warnings: readonly Warning[]
  /** DLIO's own keys and units, as in summary.json. */
  readonly metric: DlioMetric
  readonly histograms: Readonly<Record<string, LatencySummary>>
}

/** Puts a result together. Pure, but for the version of Node. */
export function buildResult(input: ResultInput): Result {
  const { workload, record, summary } = input
  const { save, load } = summary.checkpoint
  const bytesPerSecond = summary.storageBytesPerSecond
  return {
    schemaVersion: resultSchemaVersion,
    tool: { name: input.tool.name, version: input.tool.version, node: process.versions.node },
    command: input.command.map(hideSecret),
    complete: input.interruption === undefined,
    ...(input.interruption === undefined ? {} : { interruption: input.interruption }),
    startedAt: isoWithZone(record.beginMs),
    endedAt: isoWithZone(record.endMs),
    workload: {
      name: workload.source.name,
      path: workload.source.path,
      format: workload.dataset.format,
      folder: workload.dataset.folder,
    },
    configDigest: workload.source.configDigest,
    ...(input.work === undefined ? {} : { work: input.work }),
    settings: {
      ...summary.settings,
      stepsPerEpoch: record.stepsPerEpoch,
      stepsPerEval: record.stepsPerEval,
      ...(record.samplesPerEpoch === undefined ? {} : { samplesPerEpoch: record.samplesPerEpoch }),
      ...(record.samplesPerEval === undefined ? {} : { samplesPerEval: record.samplesPerEval }),
    },
    semantics: workload.semantics,
    ...(workload.honoured.length === 0 ? {} : { honoured: workload.honoured }),
    framework: { name: workload.framework, reason: workload.frameworkReason },
    ...(workload.profile === null ? {} : { profile: workload.profile }),
    world: { ranks: input.world.ranks, hosts: input.world.hosts },
    ...(record.generation && { generation: record.generation }),
    ...(summary.train ? { train: summary.train } : {}),
    ...(summary.evaluation ? { evaluation: summary.evaluation } : {}),
    ...(save || load || record.checkpointObjects ? { checkpoint: { ...summary.checkpoint, ...writtenCheckpoints(record) } } : {}),
    io: { ...record.io, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) },
    ...(record.objects && { objects: record.objects }),
    client: record.client,
    hosts: record.hosts.map(({ hostname, cpuCount, cpuinfo, memoryBytes }) => {
      const cpuModel = cpuinfo['model name']
      return { hostname, cpuCount, ...(cpuModel === undefined ? {} : { cpuModel }), memoryBytes }
    }),
    ...(summary.timeSplit ? { timeSplit: summary.timeSplit } : {}),
    ...(summary.measuredTimeSplit ? { measuredTimeSplit: summary.measuredTimeSplit } : {}),
    boundBy: summary.verdict.boundBy,
    verdict: summary.verdict,
    ...(input.orderDigest === undefined ? {} : { orderDigest: input.orderDigest }),
    warnings: [...input.warnings, ...summary.warnings],
    metric: summary.metric,
    histograms: record.histograms,
  }
}

function writtenCheckpoints({ checkpointBytesWritten: bytesWritten, checkpointObjects: objects }: RunRecord): Result['checkpoint'] {
  return { ...(bytesWritten === undefined ? {} : { bytesWritten }), ...(objects && { objects }) }
}

/** The text of a result: JSON that any parser accepts. A number that is none (nothing to divide by) is left out, or null within a list. */
export function resultJson(result: Result): string {
  const absentIfNone = (_key: string, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? undefined : value)
  const text = JSON.stringify(result, absentIfNone, 2)
  return `${text}\n`
}

/** What is left of a run that did not come to its end. */
export const partialResultFile = 'result.partial.json'

/** Writes result.json, or result.partial.json for a run that did not come to its end, and returns its path. Errors: StorageError. */
export function writeResult(folder: string, result: Result): string {
  const path = join(folder, result.complete ? 'result.json' : partialResultFile)
  writeAtomically(path, resultJson(result), true)
  return path
}

/** ISO 8601 in local time with milliseconds and the zone's offset: `2026-11-22T12:17:04.659+01:00`. */
export function isoWithZone(timeMs: number): string {
  const date = new Date(timeMs)
  const offsetMinutes = -date.getTimezoneOffset()
  const local = new Date(date.getTime() + offsetMinutes * 60_000).toISOString().slice(0, -1)
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const size = Math.abs(offsetMinutes)
  return `${local}${offsetMinutes < 0 ? '-' : '+'}${two(size / 60)}:${two(size % 60)}`
}
