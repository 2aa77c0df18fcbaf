// Output folders of real DLIO runs, with what their configuration says: all of them where the recordings are there, a few committed ones otherwise.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Workload } from '#src/config/workload.js'
import type { FormulaName } from '#src/metrics/formulas.js'
import { readJson, readRecordedRank } from '#src/metrics/from-dlio.js'
import { stampMs } from '#src/metrics/python-json.js'
import type { HostRecord } from '#src/metrics/records.js'
import type { MetricSettings } from '#src/metrics/settings.js'
import type { SummaryInput } from '#src/metrics/summary.js'

export const runsFolder = existsSync('../shared/golden/runs') ? '../shared/golden/runs' : 'test/golden/runs'

export interface RecordedRun {
  readonly id: string
  readonly tree: 'upstream' | 'fork'
  readonly ranks: number
  readonly out: string
  readonly settings: MetricSettings
  readonly exactFormula: FormulaName
  readonly input: SummaryInput
  /** Host facts as each rank read them. */
  readonly hostsOfRanks: readonly HostRecord[]
  readonly workload: Workload
  /** summary.json as recorded. */
  readonly stored: Record<string, unknown> & { readonly metric: Record<string, unknown> }
}

type Section = Record<string, never>
interface Case {
  id: string
  tree: 'upstream' | 'fork'
  ranks: number
}

/** All recorded runs that left a summary.json. */
export function recordedRuns(): RecordedRun[] {
  const { cases } = JSON.parse(readFileSync(join(runsFolder, 'index.json'), 'utf8')) as { cases: Case[] }
  const runs = cases.map((entry) => ({ ...entry, out: join(runsFolder, entry.id, 'out') }))
  return runs.filter(({ out }) => existsSync(join(out, 'summary.json'))).map(readRun)
}

/** Every JSON file of every recorded run. */
export function recordedJsonFiles(): string[] {
  return recordedRuns().flatMap(({ out }) =>
    readdirSync(out)
      .filter((name) => name.endsWith('.json'))
      .map((name) => join(out, name)),
  )
}

function readRun({ id, tree, ranks, out }: Case & { out: string }): RecordedRun {
  const { workload: raw } = parse(readFileSync(join(out, '.hydra', 'config.yaml'), 'utf8')) as { workload: Record<string, Section> }
  const section = (name: string): Record<string, number & boolean & Record<string, number>> => raw[name] ?? {}
  const workflow = section('workflow')
  const dataset = section('dataset')
  const reader = section('reader')
  const metric = section('output').metric ?? ({} as Record<string, number>)
  const settings: MetricSettings = {
    trains: workflow.train ?? true,
    evaluates: workflow.evaluation ?? false,
    checkpoints: workflow.checkpoint ?? false,
    batchSize: reader.batch_size ?? 1,
    batchSizeEval: reader.batch_size_eval ?? 1,
    // Upstream forgets the record's length when it generates and trains in one run (quirk 1 of DLIO).
    recordBytes: tree === 'upstream' && workflow.generate_data && workflow.train ? 1 : (dataset.record_length_bytes ?? 65_536),
    excludeStartSteps: metric.exclude_start_steps ?? 1,
    excludeEndSteps: metric.exclude_end_steps ?? 0,
    targetAuPercent: 100 * (section('metric').au ?? 0.9),
  }
  const stored = readJson(join(out, 'summary.json')) as RecordedRun['stored']
  const count = (key: string) => stored[key] as number
  const samples = count('num_samples_per_file') * count('num_files_train')
  const evalSamples = count('num_samples_per_file') * count('num_files_eval')
  const recorded = Array.from({ length: ranks }, (_, rank) => readRecordedRank(out, rank))
  const stepsWanted = section('train').total_training_steps ?? -1
  const steps = Math.floor(samples / settings.batchSize / ranks)
  const input: SummaryInput = {
    beginMs: stampMs(stored.start, out, 'start'),
    endMs: stampMs(stored.end, out, 'end'),
    ranks: recorded.map(({ record }) => record),
    hosts: [recorded[0]!.host],
    stepsPerEpoch: stepsWanted > 0 ? stepsWanted : steps,
    stepsPerEval: Math.floor(evalSamples / settings.batchSizeEval / ranks),
  }
  const workload = {
    semantics: tree === 'fork' ? 'mlcommons' : 'upstream',
    dataset: {
      numFilesTrain: count('num_files_train'),
      numFilesEval: count('num_files_eval'),
      numSamplesPerFile: count('num_samples_per_file'),
    },
    raw,
  } as unknown as Workload
  const hostsOfRanks = recorded.map(({ host }) => host)
  const exactFormula = tree === 'fork' ? 'mlcommons-exact' : 'upstream-exact'
  return { id, tree, ranks, out, settings, exactFormula, input, hostsOfRanks, workload, stored }
}
