// Output folders for tests: copies of recorded ones with something done to them.
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findResultFolders } from '#src/aggregate/find.js'
import { type Job, loadJobs, type Skipped } from '#src/aggregate/jobs.js'
import { type Recomputation, recompute } from '#src/aggregate/recompute.js'

export const runsFolder = existsSync('../shared/golden/runs') ? '../shared/golden/runs' : 'test/golden/runs'

/** Copies the output folder of a recorded run. */
export function copyRun(id: string, target: string): string {
  cpSync(join(runsFolder, id, 'out'), target, { recursive: true })
  return target
}

// biome-ignore lint/suspicious/noExplicitAny: tests reach into JSON of any shape
export type Json = any

export function readJsonFile(folder: string, name: string): Json {
  return JSON.parse(readFileSync(join(folder, name), 'utf8'))
}

/** Changes a JSON file in place. */
export function editJson(folder: string, name: string, change: (value: Json) => void): void {
  const value = readJsonFile(folder, name)
  change(value)
  writeFileSync(join(folder, name), JSON.stringify(value))
}

/** Jobs of folders, with what was recomputed of each. */
export function aggregated(roots: string[], given = {}): { jobs: Job[]; runs: Recomputation[]; skipped: Skipped[] } {
  const { jobs, skipped } = loadJobs(findResultFolders(roots), given)
  return { jobs, runs: jobs.map(recompute), skipped }
}

/** Moves the files of one rank to another folder, as a host with a file system of its own would have left them. */
export function moveRank(from: string, rank: number, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const name of [`${rank}_output.json`, `${rank}_per_epoch_stats.json`]) renameSync(join(from, name), join(to, name))
}

const seconds = (stamps: { start: string; end: string }) => {
  const micros = (text: string) => Date.parse(`${text.slice(0, 19)}Z`) * 1000 + Number(text.slice(20).padEnd(6, '0'))
  return (micros(stamps.end) - micros(stamps.start)) / 1e6
}
const total = (values: number[]) => values.reduce((a, b) => a + b, 0)

/**
 * Turns a copy of a recorded run (training only, one block an epoch) into what DLIO v1.0 would have left: one per_epoch_stats.json by rank 0, figures
 * by its rules (C without the first step, T = wall − proc[0], throughput = all steps over the wall time), the configuration in `configs`.
 */
export function asVersion1(folder: string, ranks: number, batchSize: number, recordBytes: number): void {
  const perEpoch: { au: number[]; rate: number[] }[] = []
  for (let rank = 0; rank < ranks; rank++) {
    const stats = readJsonFile(folder, `${rank}_per_epoch_stats.json`)
    editJson(folder, `${rank}_output.json`, (output) => {
      for (const epoch of Object.keys(stats)) {
        const wall = seconds(stats[epoch].block1)
        const { compute, proc } = output[epoch]
        const au = (100 * total(compute.block1.slice(1))) / (wall - proc.block1[0])
        const rate = (proc.block1.length / wall) * batchSize
        output[epoch].au = { block1: au }
        output[epoch].throughput = { block1: rate }
        perEpoch[Number(epoch) - 1] ??= { au: [], rate: [] }
        perEpoch[Number(epoch) - 1]!.au.push(au)
        perEpoch[Number(epoch) - 1]!.rate.push(rate)
      }
    })
    if (rank > 0) rmSync(join(folder, `${rank}_per_epoch_stats.json`))
  }
  renameSync(join(folder, '0_per_epoch_stats.json'), join(folder, 'per_epoch_stats.json'))
  renameSync(join(folder, '.hydra'), join(folder, 'configs'))
  const au = perEpoch.map((epoch) => total(epoch.au) / ranks)
  const rate = perEpoch.map((epoch) => total(epoch.rate))
  const mean = (values: number[]) => total(values) / values.length
  const stdev = (values: number[]) => Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)))
  editJson(folder, 'summary.json', (summary) => {
    summary.metric = {
      train_au_percentage: au,
      train_au_mean_percentage: mean(au),
      train_au_meet_expectation: mean(au) >= 90 ? 'success' : 'fail',
      train_au_stdev_percentage: stdev(au),
      train_throughput_samples_per_second: rate,
      train_throughput_mean_samples_per_second: mean(rate),
      train_throughput_stdev_samples_per_second: stdev(rate),
      train_io_mean_MB_per_second: (mean(rate) * recordBytes) / 1024 / 1024,
      train_io_stdev_MB_per_second: (stdev(rate) * recordBytes) / 1024 / 1024,
    }
  })
}
