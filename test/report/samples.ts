// A small result of this program, whole and sound, to change for a test.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LatencyHistogram } from '#src/metrics/latency.js'
import type { Json } from '../aggregate/folders.js'

/** The summary of some latencies in microseconds. */
export function latencies(...us: readonly number[]): Json {
  const histogram = new LatencyHistogram()
  for (const one of us) histogram.record(one)
  return histogram.summarise()
}

const phase = (au: readonly (number | null)[], rates: readonly (number | null)[]) => ({
  auPercent: 91.234567,
  auStdevPercent: 1.5,
  auPercentByEpoch: au,
  samplesPerSecond: 120.25,
  samplesPerSecondStdev: 2,
  samplesPerSecondByEpoch: rates,
  bytesPerSecond: 120.25 * 1_000_000,
  targetAuPercent: 90,
  meetsTarget: true,
  slowestRank: { rank: 1, auPercent: 90.5 },
  fastestRank: { rank: 0, auPercent: 92.5 },
  epochs: au.length,
  steps: 30,
  samples: 240,
  seconds: 2.5,
  overallSamplesPerSecond: 96,
  excluded: { startSteps: 1, endSteps: 0, steps: 3, measuredSteps: 27 },
})

const checkpoint = (seconds: number) => ({
  count: 2,
  sizeBytes: 5e9,
  meanSeconds: seconds,
  slowestMeanSeconds: seconds + 0.25,
  bytesPerSecond: 5e9 / seconds,
  slowestBytesPerSecond: 5e9 / (seconds + 0.25),
  durationMs: [1000 * seconds - 100, 1000 * seconds + 100],
  slowestDurationMs: [1000 * seconds + 150, 1000 * seconds + 350],
})

const split = {
  wallSeconds: 2.4,
  waitingSeconds: 0.4,
  computingSeconds: 1.9,
  restSeconds: 0.1,
  waitingPercent: 16.666,
  computingPercent: 79.166,
  restPercent: 4.168,
}

/** A fresh result.json, with training, evaluation, checkpoints and objects. */
export function sampleResult(): Json {
  return {
    schemaVersion: 1,
    tool: { name: 'dl-driver', version: '0.1.0', node: '20.19.0' },
    command: ['dl-driver', 'run', 'unet3d.yaml', '--ranks', '2'],
    complete: true,
    startedAt: '2026-11-22T20:53:20.439+01:00',
    endedAt: '2026-11-22T20:53:23.153+01:00',
    workload: { name: 'unet3d', path: '/work/unet3d.yaml', format: 'npz', folder: 's3://bucket/data' },
    configDigest: 'd'.repeat(64),
    work: { 'dataset.format': 'npz', 'reader.batch_size': 4 },
    settings: {
      trains: true,
      evaluates: true,
      checkpoints: true,
      batchSize: 4,
      batchSizeEval: 4,
      recordBytes: 1_000_000,
      excludeStartSteps: 1,
      excludeEndSteps: 0,
      targetAuPercent: 90,
      stepsPerEpoch: 10,
      stepsPerEval: 5,
    },
    semantics: 'mlcommons',
    framework: { name: 'pytorch', reason: 'framework: pytorch in unet3d.yaml:2' },
    world: { ranks: 2, hosts: 1 },
    train: phase([90.1, 91.2, 92.3], [118.5, 120.5, 121.75]),
    evaluation: phase([88.5, null, 99.5], [60.5, null, 61.5]),
    checkpoint: { save: checkpoint(2), load: checkpoint(1), bytesWritten: 10_000_000_123 },
    io: {
      bytesAsked: 3.5e9,
      readCalls: 410,
      filesOpened: 400,
      retries: 7,
      samplesRead: 240,
      readsInFlight: 8,
      requestBytes: 524_288,
      direct: false,
      readExtent: 'file',
      bytesPerSecond: 1.4e9,
    },
    objects: {
      uri: 's3://bucket/data',
      endpoints: [
        {
          endpoint: 'http://10.0.0.1:9000',
          requests: 150,
          bytes: 2e9,
          failures: 6,
          firstByteUs: latencies(800, 900, 5000),
          totalUs: latencies(1800, 2900, 9000),
        },
        {
          endpoint: 'http://10.0.0.2:9000',
          requests: 250,
          bytes: 1.5e9,
          failures: 1,
          firstByteUs: latencies(400, 450),
          totalUs: latencies(1400, 1450),
        },
      ],
      requests: { list: 2, head: 1, get: 400, put: 0, delete: 0 },
      retries: { throttled: 5, shortBody: 2 },
      attempts: [393, 6, 1],
      options: { partBytes: 8_388_608, partsInFlight: 4 },
    },
    client: {
      cpuSeconds: 1.75,
      wallSeconds: 3,
      maxRssBytes: 150_000_000,
      computeLagMeanMs: 0.25,
      computeLagMaxMs: 3.5,
      firstSampleSeconds: 0.5,
      threads: 4,
      cpusAvailable: 16,
    },
    hosts: [{ hostname: 'node01', cpuCount: 16, cpuModel: 'Some Processor', memoryBytes: 64 * 2 ** 30 }],
    timeSplit: split,
    measuredTimeSplit: { ...split, wallSeconds: 2.2 },
    boundBy: 'storage',
    verdict: { boundBy: 'storage', reason: 'accelerators waited', advice: 'faster storage raises AU', clientBusyPercent: 14.5 },
    orderDigest: 'e'.repeat(64),
    warnings: [{ code: 'page-cache', message: 'the data set fits into memory' }],
    metric: {},
    histograms: { sampleReadUs: latencies(100, 200, 300, 4000) },
  }
}

/** Writes a result into a folder of its own and returns the folder. */
export function resultFolder(parent: string, name: string, result: Json, file = 'result.json'): string {
  const folder = join(parent, name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, file), typeof result === 'string' ? result : JSON.stringify(result))
  return folder
}
