// The quantities of a run that are compared, each with its unit and its direction.
import { mapping, number } from '../metrics/python-json.js'

export type Fields = Readonly<Record<string, unknown>>

export interface Quantity {
  /** Stable name, for programs. */
  readonly key: string
  readonly title: string
  readonly unit: '%' | 'samples/s' | 'B/s' | 's' | 'µs'
  readonly better: 'higher' | 'lower'
  readonly value: number
  /** The same for each epoch, where it was recorded so. */
  readonly byEpoch?: readonly number[]
  /** Too few records stand behind it to call a change one: shown, not judged. */
  readonly isRough?: true
}

/** Records that must lie beyond a quantile for it to be more than a few outliers. */
const recordsBeyond = 10

/** All quantities in a result's fields (train, evaluation, checkpoint, io, client, histograms). Errors: DataError naming file and key. */
export function quantitiesOf(fields: Fields, file: string): Quantity[] {
  return [
    ...phase(fields, 'train', '', file),
    ...rate(fields, 'io', 'io.bytesPerSecond', 'Read from storage', file),
    ...phase(fields, 'evaluation', 'Evaluation: ', file),
    ...checkpoints(fields, file),
    ...clientCost(fields, file),
    ...latencies(fields, file),
  ]
}

/** The number at a dotted path; undefined where it, or what holds it, is absent. */
function at(fields: Fields, path: string, file: string): number | undefined {
  let value: unknown = fields
  const keys = path.split('.')
  for (const [i, key] of keys.entries()) {
    value = mapping(value, file, keys.slice(0, i).join('.') || 'the file')[key]
    if (value === undefined) return undefined
  }
  return number(value, file, path)
}

function listAt(fields: Fields, section: string, key: string, file: string): number[] {
  const list = mapping(fields[section], file, section)[key]
  return Array.isArray(list) ? list.flatMap((item, i) => (item === null ? [] : [number(item, file, `${section}.${key}[${i}]`)])) : []
}

function phase(fields: Fields, section: 'train' | 'evaluation', prefix: string, file: string): Quantity[] {
  if (fields[section] === undefined) return []
  const found: Quantity[] = []
  const add = (key: string, title: string, unit: Quantity['unit'], byEpoch: readonly number[]) => {
    const value = at(fields, `${section}.${key}`, file)
    if (value !== undefined) found.push({ key: `${section}.${key}`, title: prefix + title, unit, better: 'higher', value, byEpoch })
  }
  const rates = listAt(fields, section, 'samplesPerSecondByEpoch', file)
  const samples = at(fields, `${section}.samplesPerSecond`, file)
  const bytes = at(fields, `${section}.bytesPerSecond`, file)
  const sampleBytes = samples !== undefined && samples > 0 && bytes !== undefined ? bytes / samples : 0
  add('auPercent', 'AU', '%', listAt(fields, section, 'auPercentByEpoch', file))
  add('samplesPerSecond', 'Throughput', 'samples/s', rates)
  add(
    'bytesPerSecond',
    'Throughput',
    'B/s',
    rates.map((value) => value * sampleBytes),
  )
  // Where a block has too few steps for the figures above, the whole time is all there is.
  if (found.length === 0) add('overallSamplesPerSecond', 'Throughput, start-up included', 'samples/s', [])
  return found
}

function rate(fields: Fields, section: string, path: string, title: string, file: string): Quantity[] {
  const value = fields[section] === undefined ? undefined : at(fields, path, file)
  return value === undefined ? [] : [{ key: path, title, unit: 'B/s', better: 'higher', value }]
}

function checkpoints(fields: Fields, file: string): Quantity[] {
  return (['save', 'load'] as const).flatMap((kind): Quantity[] => {
    const value = at(fields, `checkpoint.${kind}.meanSeconds`, file)
    if (value === undefined) return []
    return [{ key: `checkpoint.${kind}.meanSeconds`, title: `Checkpoint ${kind}`, unit: 's', better: 'lower', value }]
  })
}

function clientCost(fields: Fields, file: string): Quantity[] {
  const cpuSeconds = at(fields, 'client.cpuSeconds', file)
  if (cpuSeconds === undefined) return []
  const per = (path: string, key: string, title: string, scale: number, unit: Quantity['unit']): Quantity[] => {
    const amount = at(fields, path, file)
    return amount === undefined || amount <= 0 ? [] : [{ key, title, unit, better: 'lower', value: (cpuSeconds * scale) / amount }]
  }
  return [
    ...per('io.samplesRead', 'client.cpuUsPerSample', 'Client CPU a sample', 1e6, 'µs'),
    ...per('io.bytesAsked', 'client.cpuSecondsPerGB', 'Client CPU a GB', 1e9, 's'),
  ]
}

function latencies(fields: Fields, file: string): Quantity[] {
  if (fields.histograms === undefined) return []
  return Object.keys(mapping(fields.histograms, file, 'histograms')).flatMap((name) => {
    const count = at(fields, `histograms.${name}.count`, file) ?? 0
    return ([0.5, 0.9, 0.99, 0.999] as const).flatMap((fraction): Quantity[] => {
      const quantile = `p${String(fraction * 100).replace('.', '')}`
      const key = `histograms.${name}.${quantile}Us`
      const value = at(fields, key, file)
      if (value === undefined) return []
      const title = `Latency ${name.replace(/Us$/, '')} p${fraction * 100}`
      const isRough = count * (1 - fraction) < recordsBeyond - 1e-6
      return [{ key, title, unit: 'µs', better: 'lower', value, ...(isRough ? { isRough } : {}) }]
    })
  })
}
