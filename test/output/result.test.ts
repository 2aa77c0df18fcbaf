import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Workload } from '#src/config/workload.js'
import { LatencyHistogram } from '#src/metrics/latency.js'
import type { RunRecord } from '#src/metrics/records.js'
import { summarize } from '#src/metrics/summary.js'
import { buildResult, isoWithZone, type ResultInput, resultJson, writeResult } from '#src/output/result.js'
import { ObjectMeter } from '#src/storage/object/meter.js'
import { defaultReadOptions } from '#src/storage/object/read-options.js'
import { objectsRecord } from '#src/storage/object/record.js'
import { client, epochOf, inputOf, io, settings, workedExample } from '../metrics/samples.js'

const workload = {
  source: { name: 'unet3d', path: '/configs/unet3d.yaml', configDigest: 'abc' },
  framework: 'pytorch',
  frameworkReason: 'framework: of the configuration',
  semantics: 'mlcommons',
  honoured: [],
  dataset: { format: 'npz', folder: '/data' },
} as unknown as Workload

const histogram = new LatencyHistogram()
histogram.record(50)

const record: RunRecord = {
  ...inputOf(
    workedExample.map((steps) => [epochOf(1, [steps])]),
    5,
  ),
  io,
  client,
  histograms: { sample: histogram.summarise()! },
}

const input: ResultInput = {
  tool: { name: 'dl-driver', version: '0.1.0' },
  command: ['dl-driver', 'run', 'unet3d'],
  workload,
  world: { ranks: 2, hosts: 1 },
  record,
  summary: summarize(record, settings),
  orderDigest: 'sha256:00',
  warnings: [{ code: 'page-cache', message: 'the data fits in memory' }],
}

test('a result holds every field that the command line contract promises', () => {
  const result = JSON.parse(resultJson(buildResult(input))) as Record<string, Record<string, unknown>>
  const promised: Record<string, string[]> = {
    world: ['ranks', 'hosts'],
    train: ['auPercent', 'samplesPerSecond', 'bytesPerSecond', 'steps', 'samples', 'epochs'],
    io: ['bytesAsked', 'readCalls', 'filesOpened', 'retries'],
    client: ['cpuSeconds', 'wallSeconds', 'maxRssBytes'],
    framework: ['name', 'reason'],
    tool: ['name', 'version', 'node'],
  }
  for (const key of ['schemaVersion', 'command', 'configDigest', 'semantics', 'orderDigest', 'boundBy', 'warnings', 'metric'])
    assert.ok(key in result, key)
  for (const [key, fields] of Object.entries(promised)) for (const field of fields) assert.ok(field in result[key]!, `${key}.${field}`)
})

test('steps are one rank’s, samples and rates the whole job’s', () => {
  const { train, metric } = buildResult(input)
  assert.deepEqual([train?.steps, train?.samples, train?.epochs], [5, 40, 1])
  assert.equal(train?.samplesPerSecond, metric.train_throughput_mean_samples_per_second)
  assert.equal(train?.bytesPerSecond, train!.samplesPerSecond! * settings.recordBytes)
  assert.equal(train?.seconds, 7)
})

test('what was not measured is absent, and numbers that are none never reach the file', () => {
  const { orderDigest: _, ...without } = input
  const result = buildResult({ ...without, summary: summarize(record, { ...settings, excludeStartSteps: 9 }) })
  assert.equal('orderDigest' in result, false)
  assert.equal('auPercent' in result.train!, false)
  const damaged = { ...result, client: { ...client, computeLagMeanMs: Number.NaN } }
  const read = JSON.parse(resultJson(damaged)) as { client: object; train: { auPercentByEpoch: unknown[] } }
  assert.equal('computeLagMeanMs' in read.client, false)
  assert.deepEqual(read.train.auPercentByEpoch, [null])
})

test('warnings of the configuration come first, those of the figures after', () => {
  const codes = buildResult({ ...input, summary: summarize(record, { ...settings, excludeStartSteps: 9 }) }).warnings.map(
    ({ code }) => code,
  )
  assert.deepEqual(codes, ['page-cache', 'too-few-steps'])
})

test('a finished run writes result.json, an interrupted one result.partial.json with its reason, and nothing else', () => {
  const folder = mkdtempSync(join(tmpdir(), 'result-'))
  try {
    writeResult(folder, buildResult({ ...input, interruption: 'SIGINT' }))
    assert.deepEqual(readdirSync(folder), ['result.partial.json'])
    const partial = JSON.parse(readFileSync(join(folder, 'result.partial.json'), 'utf8')) as Record<string, unknown>
    assert.deepEqual([partial.complete, partial.interruption], [false, 'SIGINT'])
    assert.equal(writeResult(folder, buildResult(input)), join(folder, 'result.json'))
    assert.ok(existsSync(join(folder, 'result.json')))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('times have the zone in which they are', () => {
  const timeMs = Date.UTC(2026, 10, 22, 12, 17, 4, 659)
  const before = process.env.TZ
  try {
    for (const [zone, text] of [
      ['UTC', '2026-11-22T12:17:04.659+00:00'],
      ['Europe/Berlin', '2026-11-22T13:17:04.659+01:00'],
      ['America/St_Johns', '2026-11-22T08:47:04.659-03:30'],
    ] as const) {
      process.env.TZ = zone
      assert.equal(isoWithZone(timeMs), text)
      assert.equal(Date.parse(text), timeMs)
    }
  } finally {
    if (before === undefined) delete process.env.TZ
    else process.env.TZ = before
  }
})

test('a run on object storage has one section about it: place, endpoints, requests of all kinds, retries by cause', () => {
  const meter = new ObjectMeter(2)
  meter.answered(0, 1, 2, 1000)
  meter.answered(1, 3, 4, 500)
  meter.answered(1, 3, 4, 500)
  meter.failed(1)
  meter.retried('throttled')
  for (const attempts of [1, 1, 2]) meter.completed(attempts)
  const opened = {
    uri: 's3://b/p',
    requests: { list: 2, head: 1, get: 1, put: 0, delete: 0 },
    retries: { throttled: 1, dns: 2 },
    options: defaultReadOptions,
  }
  const objects = objectsRecord(opened, meter.record(['http://one', 'http://two']))
  const { objects: section } = buildResult({ ...input, record: { ...record, objects } })
  assert.equal(section!.uri, 's3://b/p')
  assert.deepEqual(section!.requests, { list: 2, head: 1, get: 4, put: 0, delete: 0 })
  assert.deepEqual(
    section!.endpoints.map(({ endpoint, requests, bytes, failures, totalUs }) => [endpoint, requests, bytes, failures, totalUs!.count]),
    [
      ['http://one', 1, 1000, 0, 1],
      ['http://two', 2, 1000, 1, 2],
    ],
  )
  assert.deepEqual([section!.retries, section!.attempts, section!.options.partBytes], [{ throttled: 2, dns: 2 }, [2, 1], null])
  assert.ok(!('objects' in buildResult(input)))
})
