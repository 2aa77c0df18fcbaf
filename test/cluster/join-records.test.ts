import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeRecords } from '#src/job/join-records.js'
import { LatencyHistogram } from '#src/metrics/latency.js'
import type { RunRecord } from '#src/metrics/records.js'
import { ObjectMeter } from '#src/storage/object/meter.js'
import { defaultReadOptions } from '#src/storage/object/read-options.js'
import { objectsRecord, withReading } from '#src/storage/object/record.js'

const latenciesUs = [3, 17.5, 250, 250, 8000, 1.2e6, 0.4, 90]

function histogram(values: readonly number[]) {
  const made = new LatencyHistogram()
  for (const value of values) made.record(value)
  return made.summarise()!
}

function record(process: number, host: string): RunRecord {
  return {
    beginMs: 1000 + process,
    endMs: 5000 + process,
    ranks: [{ rank: process, epochs: [] }],
    hosts: [{ hostname: host, cpuCount: 4, processorName: 'x86_64', cpuinfo: {}, meminfo: {}, memoryBytes: 8 * 2 ** 30 }],
    stepsPerEpoch: 3,
    stepsPerEval: 0,
    io: {
      bytesAsked: 100 + process,
      readCalls: 10,
      filesOpened: 5,
      retries: process,
      samplesRead: 6,
      readsInFlight: 2,
      requestBytes: 4096,
      direct: false,
    },
    client: {
      cpuSeconds: 1.5,
      wallSeconds: 10 + process,
      maxRssBytes: 2 ** 20,
      computeLagMeanMs: process,
      computeLagMaxMs: 10 * process,
      ...(process === 1 ? {} : { firstSampleSeconds: 0.1 * (process + 1) }),
      threads: 2,
      cpusAvailable: process === 2 ? 1 : 3,
    },
    histograms: { sampleReadUs: histogram(latenciesUs.filter((_, i) => i % 3 === process)) },
  }
}

test('records of processes become those of the job: sums, slowest times, each host once and no processor twice', () => {
  const places = [{ hostIndex: 0 }, { hostIndex: 0 }, { hostIndex: 1 }]
  const merged = mergeRecords([record(0, 'a'), record(1, 'a'), record(2, 'b')], places)
  assert.deepEqual(
    merged.ranks.map(({ rank }) => rank),
    [0, 1, 2],
  )
  assert.deepEqual(
    merged.hosts.map(({ hostname }) => hostname),
    ['a', 'b'],
  )
  assert.deepEqual([merged.beginMs, merged.endMs], [1000, 5002])
  assert.deepEqual([merged.io.bytesAsked, merged.io.readCalls, merged.io.retries, merged.io.requestBytes], [303, 30, 3, 4096])
  const { client } = merged
  assert.deepEqual([client.cpuSeconds, client.wallSeconds, client.maxRssBytes, client.threads], [4.5, 12, 3 * 2 ** 20, 6])
  assert.deepEqual([client.computeLagMeanMs, client.computeLagMaxMs], [1, 20])
  assert.ok(Math.abs(client.firstSampleSeconds! - 0.3) < 1e-12)
  // Host a has 4 processors, which its two processes share.
  assert.equal(client.cpusAvailable, 5)
  const whole = histogram(latenciesUs)
  const latency = merged.histograms.sampleReadUs!
  assert.deepEqual({ ...latency, meanUs: 0 }, { ...whole, meanUs: 0 })
  assert.ok(Math.abs(latency.meanUs - whole.meanUs) < 1e-6)
})

test('requests, retries and bytes of object storage are added up over the processes, by kind and endpoint', () => {
  const reading = (process: number, gets: number, list: number): RunRecord => {
    const meter = new ObjectMeter(1)
    for (let i = 0; i < gets; i++) meter.answered(0, 1, 2, 100)
    meter.retried('reset')
    meter.completed(gets)
    const opened = {
      uri: 's3://b/p',
      requests: { list, head: 2, get: 0, put: 3, delete: 1 },
      retries: { throttled: 1 },
      options: defaultReadOptions,
    }
    return { ...record(process, 'a'), objects: objectsRecord(opened, meter.record(['http://one'])) }
  }
  const { objects } = mergeRecords([reading(0, 2, 1), reading(1, 3, 0)], [{ hostIndex: 0 }, { hostIndex: 0 }])
  assert.equal(objects!.uri, 's3://b/p')
  assert.deepEqual(objects!.requests, { list: 1, head: 4, get: 5, put: 6, delete: 2 })
  const [endpoint] = objects!.endpoints
  assert.deepEqual([endpoint!.requests, endpoint!.bytes, endpoint!.totalUs!.count], [5, 500, 5])
  assert.deepEqual([objects!.retries, objects!.attempts], [{ reset: 2, throttled: 2 }, [0, 1, 1]])
})

test('what checkpoints in object storage took is added up over the processes, also where one of them read nothing back', () => {
  const saving = (process: number, parts: number, gets: number): RunRecord => {
    const [written, read] = [new ObjectMeter(1), new ObjectMeter(1)]
    for (let i = 0; i < parts; i++) written.accepted(0, 5, 10)
    written.failed(0)
    written.completed(parts)
    for (let i = 0; i < gets; i++) read.answered(0, 1, 2, 100)
    if (gets > 0) read.retried('reset')
    const { endpoints: uploads, attempts } = written.record(['http://one'])
    const requests = { list: 1, head: parts, get: 0, put: parts + 2, delete: 0 }
    const options = { partBytes: 10 }
    const upload = { uri: 's3://b/p', uploads, requests, retries: { throttled: 1 }, attempts, options }
    const reads = gets > 0 ? read.record(['http://one']) : { endpoints: [], retries: {}, attempts: [] }
    return { ...record(process, 'a'), checkpointObjects: withReading(upload, reads) }
  }
  const { checkpointObjects } = mergeRecords([saving(0, 2, 0), saving(1, 3, 4)], [{ hostIndex: 0 }, { hostIndex: 0 }])
  const [upload] = checkpointObjects!.uploads
  assert.deepEqual([upload!.requests, upload!.bytes, upload!.failures, upload!.totalUs!.count], [5, 50, 2, 5])
  const [read] = checkpointObjects!.endpoints
  assert.deepEqual([read!.requests, read!.bytes, read!.firstByteUs!.count], [4, 400, 4])
  assert.deepEqual(checkpointObjects!.requests, { list: 2, head: 5, get: 4, put: 9, delete: 0 })
  assert.deepEqual([checkpointObjects!.retries, checkpointObjects!.attempts], [{ throttled: 2, reset: 1 }, [0, 1, 1]])
})
