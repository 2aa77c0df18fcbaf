// The block of [METRIC] lines at the end of a run, which people grep for (statscounter.py: end_run).
import type { Semantics } from '../config/workload.js'
import type { Summary } from '../metrics/summary.js'
import { pythonFixed } from './python.js'

const rule = '=========================================================='

export interface CheckpointLines {
  readonly save: boolean
  readonly load: boolean
}

/** One multi-line message. The fork says MiB and GiB where upstream says MB and GB; both mean the binary units. */
export function metricLines({ metric, ranks }: Summary, semantics: Semantics, checkpoints: CheckpointLines): string {
  const [mega, giga] = semantics === 'mlcommons' ? ['MiB', 'GiB'] : ['MB', 'GB']
  const lines = ['Averaged metric over all steps/epochs', rule, `Number of Simulated Accelerators: ${ranks} `]
  const add = (title: string, mean: number | undefined, stdev: number | undefined, digits: number) => {
    if (mean !== undefined && stdev !== undefined) lines.push(`${title}: ${pythonFixed(mean, digits)} (${pythonFixed(stdev, digits)})`)
  }
  const expectation = (phase: 'train' | 'eval') => {
    const met = metric[`${phase}_au_meet_expectation`]
    if (met !== undefined) lines.push(`${phase}_au_meet_expectation: ${met}`)
  }
  add('Training Accelerator Utilization [AU] (%)', metric.train_au_mean_percentage, metric.train_au_stdev_percentage, 4)
  add(
    'Training Throughput (samples/second)',
    metric.train_throughput_mean_samples_per_second,
    metric.train_throughput_stdev_samples_per_second,
    4,
  )
  add(`Training I/O Throughput (${mega}/second)`, metric.train_io_mean_MB_per_second, metric.train_io_stdev_MB_per_second, 4)
  expectation('train')
  for (const kind of ['save', 'load'] as const) {
    if (!checkpoints[kind]) continue
    const of = <K extends string>(key: K) => metric[`${kind}_checkpoint_${key}` as keyof typeof metric] as number | undefined
    add(`Checkpoint ${kind} duration (seconds)`, of('duration_mean_seconds'), of('duration_stdev_seconds'), 4)
    add(`Checkpoint ${kind} I/O Throughput (${giga}/second)`, of('io_mean_GB_per_second'), of('io_stdev_GB_per_second'), 4)
  }
  add('Eval Accelerator Utilization [AU] (%)', metric.eval_au_mean_percentage, metric.eval_au_stdev_percentage, 4)
  add(
    'Eval Throughput (samples/second)',
    metric.eval_throughput_mean_samples_per_second,
    metric.eval_throughput_stdev_samples_per_second,
    6,
  )
  add(`Eval Throughput (${mega}/second)`, metric.eval_io_mean_MB_per_second, metric.eval_io_stdev_MB_per_second, 6)
  expectation('eval')
  return `${lines[0]}\n${[...lines.slice(1), rule].map((line) => `[METRIC] ${line}`).join('\n')}\n`
}
