// From result folders to jobs: reads every rank's files and puts together the folders that hosts of one job wrote apart.
import { join } from 'node:path'
import { DataError, DlDriverError } from '../errors.js'
import { type RecordedRank, readJson, readRecordedRank } from '../metrics/from-dlio.js'
import { mapping, number } from '../metrics/python-json.js'
import type { EpochRecord } from '../metrics/records.js'
import { largest, sum } from '../metrics/statistics.js'
import type { SummaryInput } from '../metrics/summary.js'
import { configFacts, type GivenFacts, type RunFacts, resultFacts, settingsOf } from './facts.js'
import type { ResultFolder } from './find.js'

type Mapping = Readonly<Record<string, unknown>>

/** One job: all of its ranks, and what its files say of it as a whole. */
export interface Job {
  /** Several where hosts wrote folders of their own. */
  readonly folders: readonly string[]
  readonly program: 'dl-driver' | 'DLIO'
  readonly ranks: readonly RecordedRank[]
  readonly facts: RunFacts | undefined
  readonly settings: ReturnType<typeof settingsOf>
  readonly input: SummaryInput
  /** `metric` of summary.json, with the file that holds it; absent where there is none. */
  readonly stored?: { readonly path: string; readonly metric: Mapping }
  /** result.json of this program. */
  readonly result?: Mapping
}

/** Something that could not be used, and why. */
export interface Skipped {
  readonly folder: string
  readonly problem: string
}

interface Fragment {
  readonly folder: ResultFolder
  readonly ranks: readonly RecordedRank[]
  readonly summary?: Mapping
  readonly result?: Mapping
  /** Ranks of the whole job, where a file here tells. */
  readonly jobRanks?: number
  readonly beginMs: number
  readonly endMs: number
}

/** Reads all folders. What is broken or lacks ranks is named in `skipped`, and does not hide the others. */
export function loadJobs(folders: readonly ResultFolder[], given: GivenFacts): { jobs: Job[]; skipped: Skipped[] } {
  const skipped: Skipped[] = []
  /** Undefined, and noted, where reading fails for a reason that is meant for people. */
  const attempt = <T>(folder: string, read: () => T): T | undefined => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof DlDriverError)) throw error
      skipped.push({ folder, problem: error.message })
      return undefined
    }
  }
  const fragments = folders.flatMap((folder) => attempt(folder.path, () => readFragment(folder)) ?? [])
  const jobs = joinFragments(fragments).flatMap((parts) => {
    const [first] = parts
    return first === undefined ? [] : (attempt(first.folder.path, () => jobOf(parts, given)) ?? [])
  })
  return { jobs, skipped }
}

class IncompleteError extends DlDriverError {
  readonly tag = 'data'
  readonly exitCode = 1
  override fields() {
    return {}
  }
}

function readFragment(folder: ResultFolder): Fragment {
  const { path } = folder
  if (folder.isPartial)
    throw new IncompleteError(`${path}: the run did not come to its end (result.partial.json); it has no figures to compute again`)
  const file = (name: string) => mapping(readJson(join(path, name)), join(path, name), 'the file')
  const summary = folder.hasSummary ? file('summary.json') : undefined
  const result = folder.hasResult ? file('result.json') : undefined
  if (folder.ranks.length === 0)
    throw new IncompleteError(
      `${path}: holds ${summary ? 'summary.json' : 'result.json'} but no file of any rank (0_output.json); copy those too`,
    )
  const ranks = folder.ranks.map((rank) => readRecordedRank(path, rank))
  const epochs = ranks.flatMap(({ record }) => record.epochs)
  if (epochs.length === 0) throw new IncompleteError(`${path}: no epoch was recorded`)
  const jobRanks = summary?.num_accelerators ?? (result && mapping(result.world, join(path, 'result.json'), 'world').ranks)
  return {
    folder,
    ranks,
    ...(summary ? { summary } : {}),
    ...(result ? { result } : {}),
    ...(jobRanks === undefined ? {} : { jobRanks: rankCount(jobRanks, path) }),
    beginMs: epochs.reduce((first, { beginMs }) => Math.min(first, beginMs), Number.POSITIVE_INFINITY),
    endMs: epochs.reduce((last, { endMs }) => Math.max(last, endMs), Number.NEGATIVE_INFINITY),
  }
}

function rankCount(value: unknown, path: string): number {
  const count = number(value, path, 'the number of ranks')
  if (!Number.isSafeInteger(count) || count < 1) throw new DataError(path, `the number of ranks must be a whole number, not ${count}`)
  return count
}

/**
 * Folders of one job: none has all ranks, no rank is in two of them, and their epochs are as many and overlap in time. The folder with rank 0 collects
 * the others; what nobody collects stays alone.
 */
function joinFragments(fragments: readonly Fragment[]): Fragment[][] {
  const whole = ({ ranks, jobRanks }: Fragment) => jobRanks !== undefined && ranks.length >= jobRanks
  const open = new Set(fragments.filter((fragment) => !whole(fragment)))
  const groups: Fragment[][] = []
  for (const fragment of fragments) {
    if (whole(fragment)) groups.push([fragment])
    else if (open.has(fragment) && hasRank(fragment, 0)) groups.push(collect(fragment, open))
  }
  return [...groups, ...[...open].map((fragment) => [fragment])]
}

function collect(root: Fragment, open: Set<Fragment>): Fragment[] {
  open.delete(root)
  const parts = [root]
  for (const other of open) {
    const taken = parts.some((part) => other.ranks.some(({ record }) => hasRank(part, record.rank)))
    const sameTime = other.beginMs <= root.endMs && root.beginMs <= other.endMs
    const sameEpochs = other.ranks[0]!.record.epochs.length === root.ranks[0]!.record.epochs.length
    const fits = root.jobRanks === undefined || other.ranks.every(({ record }) => record.rank < root.jobRanks!)
    if (taken || !sameTime || !sameEpochs || !fits) continue
    open.delete(other)
    parts.push(other)
  }
  return parts
}

function hasRank({ ranks }: Fragment, rank: number): boolean {
  return ranks.some(({ record }) => record.rank === rank)
}

function jobOf(parts: readonly Fragment[], given: GivenFacts): Job {
  const folders = parts.map(({ folder }) => folder.path)
  const ranks = parts.flatMap((part) => part.ranks).sort((a, b) => a.record.rank - b.record.rank)
  const withSummary = parts.find(({ summary }) => summary !== undefined)
  const withResult = parts.find(({ result }) => result !== undefined)
  const count = parts.find(({ jobRanks }) => jobRanks !== undefined)?.jobRanks ?? 1 + ranks.at(-1)!.record.rank
  refuseMissingRanks(folders, ranks, count)
  const facts = factsOf(parts)
  const epochs = ranks.flatMap(({ record }) => record.epochs)
  const recorded = {
    trains: epochs.some(({ blocks }) => blocks.length > 0),
    evaluates: epochs.some(({ evaluation }) => evaluation !== undefined),
    checkpoints: epochs.some(({ checkpoints }) => checkpoints.length > 0),
  }
  const settings = settingsOf(folders[0]!, facts, given, recorded)
  const path = withSummary && join(withSummary.folder.path, 'summary.json')
  const planned = (files: string, batchSize: number) => {
    const numFiles = withSummary?.summary?.[files]
    const perFile = withSummary?.summary?.num_samples_per_file
    return typeof numFiles === 'number' && typeof perFile === 'number' ? Math.floor((numFiles * perFile) / batchSize / count) : undefined
  }
  const most = (steps: (epoch: EpochRecord) => number) => largest(epochs.map(steps))
  const hosts = new Map(ranks.map(({ host }) => [host.hostname, host]))
  return {
    folders,
    program: withResult ? 'dl-driver' : 'DLIO',
    ranks,
    facts,
    settings,
    input: {
      beginMs: Math.min(...parts.map(({ beginMs }) => beginMs)),
      endMs: Math.max(...parts.map(({ endMs }) => endMs)),
      ranks: ranks.map(({ record }) => record),
      hosts: [...hosts.values()],
      stepsPerEpoch:
        facts?.stepsPerEpoch ??
        planned('num_files_train', settings.batchSize) ??
        most(({ blocks }) => sum(blocks.map(({ procMs }) => procMs.length))),
      stepsPerEval:
        facts?.stepsPerEval ??
        planned('num_files_eval', settings.batchSizeEval) ??
        most(({ evaluation }) => evaluation?.procMs.length ?? 0),
      ...(facts?.samplesPerEpoch === undefined ? {} : { samplesPerEpoch: facts.samplesPerEpoch }),
      ...(facts?.samplesPerEval === undefined ? {} : { samplesPerEval: facts.samplesPerEval }),
    },
    ...(path === undefined ? {} : { stored: { path, metric: mapping(withSummary!.summary!.metric ?? {}, path, 'metric') } }),
    ...(withResult ? { result: withResult.result! } : {}),
  }
}

function refuseMissingRanks(folders: readonly string[], ranks: readonly RecordedRank[], count: number): void {
  const present = new Set(ranks.map(({ record }) => record.rank))
  const extra = ranks.filter(({ record }) => record.rank >= count).length
  if (extra > 0)
    throw new IncompleteError(
      `${folders.join(', ')}: holds files of ${present.size} ranks, but the run had ${count}; an older run's files lie there`,
    )
  if (present.size === count) return
  const missing = Array.from({ length: Math.min(count, 100_000) }, (_, rank) => rank).filter((rank) => !present.has(rank))
  const named = missing.slice(0, 5).map((rank) => `${rank}_output.json`)
  throw new IncompleteError(
    `${folders.join(', ')}: files of ${count - present.size} of ${count} ranks are missing (${named.join(', ')}${missing.length > 5 ? ', …' : ''}); ` +
      'name the folders of all hosts of the job together',
  )
}

function factsOf(parts: readonly Fragment[]): RunFacts | undefined {
  for (const { result, folder } of parts) {
    const facts = result && resultFacts(result, join(folder.path, 'result.json'))
    if (facts) return facts
  }
  for (const { folder } of parts) {
    const facts = configFacts(folder.path)
    if (facts) return facts
  }
  return undefined
}
