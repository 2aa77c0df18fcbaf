// Reads what a run of DLIO (or of this program) left in its output folder back into records, so that metrics can be computed again.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DataError, StorageError } from '../errors.js'
import { bytesPerGiB, type EpochFigures, type RankFigures } from './dlio-metric.js'
import type { Figures } from './formulas.js'
import { fail, listMs, mapping, number, optionalText, parsePythonJson, stampMs } from './python-json.js'
import type { CheckpointRecord, EpochRecord, HostRecord, RankRecord, StepsRecord } from './records.js'

/** A longer file is no result of a run that anybody waited for, and would not fit a string. */
const largestFileBytes = 400 << 20

/** The files of one rank, read back. */
export interface RecordedRank {
  readonly record: RankRecord
  /** AU and throughput as stored, with the numbers of steps that weigh them: what summary.json was computed from. */
  readonly figures: RankFigures
  readonly host: HostRecord
  /** False where block times were taken from rank 0, as DLIO until v1.0 recorded them there only. */
  readonly ownTimes: boolean
}

/**
 * Reads rank `rank` of an output folder: R_output.json with R_per_epoch_stats.json, or with rank 0's per_epoch_stats.json (DLIO until v1.0).
 * Stamps have no zone and are read as UTC: only their differences mean something.
 * Errors: StorageError where a file cannot be read, DataError with file and key where it is not what DLIO writes.
 */
export function readRecordedRank(folder: string, rank: number): RecordedRank {
  const outputPath = join(folder, `${rank}_output.json`)
  const output = mapping(readJson(outputPath), outputPath, 'the file')
  const { path: statsPath, own } = statsFile(folder, rank)
  const stats = mapping(readJson(statsPath), statsPath, 'the file')
  const epochNumbers = Object.keys(output)
    .filter((key) => /^\d+$/.test(key))
    .map(Number)
    .sort((a, b) => a - b)
  const epochs = epochNumbers.map((epoch) => {
    const name = `epoch ${epoch}`
    if (stats[epoch] === undefined) throw fail(statsPath, name, 'is missing')
    return readEpoch(epoch, mapping(output[epoch], outputPath, name), outputPath, mapping(stats[epoch], statsPath, name), statsPath)
  })
  return {
    record: { rank, epochs: epochs.map(({ record }) => record) },
    figures: { rank, epochs: epochs.map(({ figures }) => figures) },
    host: readRecordedHost(output, outputPath),
    ownTimes: own,
  }
}

/** Parses one JSON file of DLIO; NaN becomes null. */
export function readJson(path: string): unknown {
  let text: string
  try {
    const stat = statSync(path)
    // Reading a named pipe would wait for a writer.
    if (!stat.isFile()) throw new DataError(path, 'is no regular file')
    const { size } = stat
    if (size > largestFileBytes) throw new DataError(path, `has ${size} bytes; at most ${largestFileBytes} are read`)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof DataError) throw error
    const { message, code } = error as NodeJS.ErrnoException
    throw new StorageError(path, 'read', message, code)
  }
  return parsePythonJson(text, path)
}

function statsFile(folder: string, rank: number): { path: string; own: boolean } {
  const own = join(folder, `${rank}_per_epoch_stats.json`)
  const shared = join(folder, 'per_epoch_stats.json')
  const exists = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined
  return !exists(own) && exists(shared) ? { path: shared, own: rank === 0 } : { path: own, own: true }
}

type Mapping = Readonly<Record<string, unknown>>

function readEpoch(
  epoch: number,
  output: Mapping,
  outputPath: string,
  stats: Mapping,
  statsPath: string,
): { record: EpochRecord; figures: EpochFigures } {
  const at = `epoch ${epoch}`
  const proc = mapping(output.proc, outputPath, `${at} proc`)
  const blockNames = Object.keys(proc)
    .filter((key) => /^block\d+$/.test(key))
    .sort((a, b) => Number(a.slice(5)) - Number(b.slice(5)))
  const steps = (name: string): StepsRecord => {
    const lists = (['load', 'proc', 'compute'] as const).map((kind) => {
      const key = `${at} ${kind}`
      return listMs(mapping(output[kind], outputPath, key)[name], outputPath, `${key}.${name}`)
    })
    const [loadMs, procMs, computeMs] = lists as [Float64Array, Float64Array, Float64Array]
    if (loadMs.length !== procMs.length || computeMs.length !== procMs.length)
      throw fail(
        outputPath,
        `${at} ${name}`,
        `has ${loadMs.length} load, ${procMs.length} proc and ${computeMs.length} compute times; they must be equally many`,
      )
    const times = mapping(stats[name], statsPath, `${at} ${name}`)
    return {
      beginMs: stampMs(times.start, statsPath, `${at} ${name}.start`),
      endMs: stampMs(times.end, statsPath, `${at} ${name}.end`),
      loadMs,
      procMs,
      computeMs,
    }
  }
  const figures = (name: string, count: number): Figures => {
    const value = (kind: string) => {
      // The oldest files hold times alone.
      if (output[kind] === undefined) return undefined
      const stored = mapping(output[kind], outputPath, `${at} ${kind}`)[name]
      return stored === undefined || stored === null ? undefined : number(stored, outputPath, `${at} ${kind}.${name}`)
    }
    const auPercent = value('au')
    const samplesPerSecond = value('throughput')
    return {
      ...(auPercent === undefined ? {} : { auPercent }),
      ...(samplesPerSecond === undefined ? {} : { samplesPerSecond }),
      steps: count,
      measuredSteps: count,
    }
  }
  const blocks = blockNames.map(steps)
  const evaluation = proc.eval === undefined ? undefined : steps('eval')
  const beginMs = stampMs(stats.start, statsPath, `${at} start`)
  const endMs = stampMs(stats.end, statsPath, `${at} end`)
  const durationText = optionalText(stats.duration)
  if (durationText !== undefined && !/^-?\d+(\.\d+)?$/.test(durationText))
    throw fail(statsPath, `${at} duration`, `must be seconds as text, not ${JSON.stringify(durationText)}`)
  const meminfo = textMapping(output.host_meminfo)
  return {
    record: {
      epoch,
      beginMs,
      // Stored with two decimals only, and not at all where nothing was trained.
      trainEndMs: durationText === undefined ? endMs : beginMs + Number(durationText) * 1000,
      endMs,
      blocks,
      ...(evaluation ? { evaluation } : {}),
      checkpoints: readCheckpoints(stats, statsPath, at),
      ...(meminfo ? { meminfo } : {}),
    },
    figures: {
      epoch,
      blocks: blocks.map((block, i) => figures(blockNames[i]!, block.procMs.length)),
      ...(evaluation ? { evaluation: figures('eval', evaluation.procMs.length) } : {}),
    },
  }
}

function readCheckpoints(stats: Mapping, statsPath: string, at: string): CheckpointRecord[] {
  return Object.entries(stats).flatMap(([key, value]) => {
    const [, kind, block] = /^(save|load)_ckpt(\d+)$/.exec(key) ?? []
    if (kind === undefined) return []
    const times = mapping(value, statsPath, `${at} ${key}`)
    const gibPerSecond = times.throughput === undefined ? 0 : number(times.throughput, statsPath, `${at} ${key}.throughput`)
    const seconds = number(times.duration, statsPath, `${at} ${key}.duration`)
    return [
      {
        block: Number(block),
        kind: kind as 'save' | 'load',
        beginMs: stampMs(times.start, statsPath, `${at} ${key}.start`),
        endMs: stampMs(times.end, statsPath, `${at} ${key}.end`),
        sizeBytes: gibPerSecond * seconds * bytesPerGiB,
      },
    ]
  })
}

function readRecordedHost(output: Mapping, path: string): HostRecord {
  return {
    hostname: optionalText(output.hostname) ?? '',
    cpuCount: output.host_cpu_count === undefined ? 0 : number(output.host_cpu_count, path, 'host_cpu_count'),
    processorName: optionalText(output.host_processor_name) ?? '',
    cpuinfo: textMapping(output.host_cpuinfo) ?? {},
    meminfo: textMapping(output.host_meminfo) ?? {},
    memoryBytes: output.host_memory_GB === undefined ? 0 : number(output.host_memory_GB, path, 'host_memory_GB') * bytesPerGiB,
  }
}

function textMapping(value: unknown): Record<string, string> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
