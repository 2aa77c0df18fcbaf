import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compareRuns } from '#src/compare/compare.js'
import { readMeasured } from '#src/compare/measured.js'
import { reportPage } from '#src/report/page.js'
import { loadRuns } from '#src/report/runs.js'
import { aggregated, copyRun, editJson, type Json, runsFolder } from '../aggregate/folders.js'
import { scratchFolder } from '../cli/driver.js'
import { elements, hasSection, row, rows, section, textOf, valuesOf } from './page-reader.js'
import { latencies, resultFolder, sampleResult } from './samples.js'

const folder = scratchFolder('report-page')

/** The page of folders that all hold sound results. */
function pageOf(...folders: string[]): string {
  const { runs, problems } = loadRuns(folders, {})
  assert.deepEqual(problems, [])
  return reportPage(runs)
}

const sample = (name: string, change: (result: Json) => void = () => {}) => {
  const result = sampleResult()
  change(result)
  return resultFolder(folder, name, result)
}

test('every number of result.json that is shown is shown exactly, in its section and on its row', () => {
  const { train, evaluation, checkpoint, io, client, histograms, timeSplit, measuredTimeSplit, settings } = sampleResult()
  const page = pageOf(sample('exact'))
  for (const [id, phase, last] of [
    ['training', train, 'Steps left out of AU'],
    ['evaluation', evaluation, 'Steps left out of AU'],
  ] as const) {
    const text = section(page, id)
    assert.deepEqual(row(text, 'AU, mean of the epochs'), [phase.auPercent])
    assert.deepEqual(row(text, 'AU to reach'), [phase.targetAuPercent])
    assert.deepEqual(row(text, 'AU of the slowest rank'), [phase.slowestRank.auPercent])
    assert.deepEqual(row(text, 'Throughput'), [phase.samplesPerSecond])
    assert.deepEqual(row(text, 'Throughput in bytes'), [phase.bytesPerSecond])
    assert.deepEqual(row(text, 'All samples over all time'), [phase.overallSamplesPerSecond])
    assert.deepEqual(row(text, 'Samples, all ranks'), [phase.samples])
    assert.deepEqual(row(text, 'Time'), [phase.seconds])
    assert.deepEqual(row(text, last), [phase.excluded.steps])
    phase.auPercentByEpoch.forEach((au: number | null, i: number) => {
      const rate = phase.samplesPerSecondByEpoch[i]
      assert.deepEqual(row(text, String(i + 1)), au === null ? [] : [au, rate, rate * settings.recordBytes])
    })
  }
  assert.match(rows(section(page, 'evaluation')).get('2')!.text, /^–+$/, 'what was not measured is a dash, not 0')
  const time = section(page, 'time')
  for (const [title, split] of [
    ['all training time', timeSplit],
    ['steps that AU counts', measuredTimeSplit],
  ] as const)
    assert.deepEqual(row(time, title), [
      split.wallSeconds,
      split.waitingSeconds,
      split.waitingPercent,
      split.computingSeconds,
      split.computingPercent,
      split.restSeconds,
      split.restPercent,
    ])
  const { count, meanUs, minUs, p50Us, p90Us, p99Us, p999Us, maxUs } = histograms.sampleReadUs
  assert.deepEqual(row(section(page, 'latency'), 'Sample read'), [count, meanUs, minUs, p50Us, p90Us, p99Us, p999Us, maxUs])
  const saved = section(page, 'checkpoints')
  assert.deepEqual(row(saved, 'Size of one, saved'), [checkpoint.save.sizeBytes])
  assert.deepEqual(row(saved, 'Save: time of rank 0, mean'), [checkpoint.save.meanSeconds])
  assert.deepEqual(row(saved, 'Save: rate until the last rank'), [checkpoint.save.slowestBytesPerSecond])
  assert.deepEqual(row(saved, 'Load: rate of rank 0'), [checkpoint.load.bytesPerSecond])
  assert.deepEqual(row(saved, 'Bytes written, framing included'), [checkpoint.bytesWritten])
  const cost = section(page, 'client')
  assert.deepEqual(row(cost, 'CPU time'), [client.cpuSeconds])
  assert.deepEqual(row(cost, 'CPU time a GB'), [client.cpuSeconds / 3.5])
  assert.deepEqual(row(cost, 'Memory, largest'), [client.maxRssBytes])
  assert.deepEqual(row(cost, 'Computations late, worst'), [client.computeLagMaxMs])
  assert.deepEqual(row(cost, 'Read calls'), [io.readCalls])
  assert.deepEqual(row(cost, 'Retries'), [io.retries])
  assert.equal(rows(cost).has('Size of a read request'), false, 'objects have no request size')
})

test('objects: requests, bytes, failures and both times of each endpoint, retries by cause, attempts', () => {
  const { objects } = sampleResult()
  const text = section(pageOf(sample('objects')), 'objects')
  const endpoints = text.slice(0, text.indexOf('Requests, retries'))
  for (const { endpoint, requests, bytes, failures, firstByteUs, totalUs } of objects.endpoints) {
    assert.deepEqual(row(endpoints, endpoint), [requests, bytes, failures])
    for (const [title, times] of [
      ['Time to first byte', firstByteUs],
      ['Whole request', totalUs],
    ])
      assert.deepEqual(row(endpoints, `${title}, ${endpoint}`).slice(0, 4), [times.count, times.meanUs, times.minUs, times.p50Us])
  }
  for (const [title, value] of [
    ['Requests: LIST', 2],
    ['Requests: GET', 400],
    ['Requests: DELETE', 0],
    ['Retries', 7],
    ['Retries: throttled', 5],
    ['Retries: short body', 2],
    ['Ranges that took 1 attempt', 393],
    ['Ranges that took 3 attempts', 1],
  ] as const)
    assert.deepEqual(row(text, title), [value], title)
  assert.equal((text.match(/<svg /g) ?? []).length, 2, 'a histogram of each of the two times')
  assert.match(textOf(text), /ranged GETs of 8\.39 MB, 4 at once/)
})

test('a page loads and runs nothing, and its elements are in balance', () => {
  const page = pageOf(sample('whole'), sample('other'))
  const names = elements(page)
  for (const name of ['script', 'link', 'img', 'iframe', 'object', 'embed', 'form', 'image', 'use', 'foreignobject'])
    assert.equal(names.includes(name), false, name)
  assert.doesNotMatch(page, /<[^>]*\s(?:href|src|xlink:href)="(?!#)/)
  assert.doesNotMatch(page, /<[^>]*\son\w+=|@import|url\((?!#)/)
  assert.match(page, /Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;/)
  const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)
  assert.deepEqual(ids.length, new Set(ids).size, 'an id stands twice')
  for (const [, target] of page.matchAll(/(?:href="|url\()#([^")]+)/g)) assert.ok(ids.includes(target), `#${target} leads nowhere`)
  assert.match(page, /prefers-color-scheme:dark/)
  assert.match(page, /@media print/)
})

/** Closes whatever it stands in, and would run. */
const hostile = `'"><script>alert(1)</script><img src=x onerror=alert(1)></style></svg>]]>--><b>&lt;`

/** Puts the text at the place of every text in a value, in keys too where names are data. */
function poisoned(value: Json, key = ''): Json {
  if (typeof value === 'string') return `${key}${hostile}`
  if (Array.isArray(value)) return value.map((item) => poisoned(item, key))
  if (typeof value !== 'object' || value === null) return value
  const named = ['retries', 'requests', 'histograms'].includes(key)
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [named ? `${name}${hostile}` : name, poisoned(item, name)]))
}

test('no text of a result, whatever it is, becomes markup', () => {
  const clean = elements(pageOf(sample('clean'), sample('clean-too')))
  const bad = resultFolder(folder, `bad${hostile.replaceAll('/', '')}`, poisoned(sampleResult()))
  const page = pageOf(bad, sample('clean-too'))
  const names = elements(page)
  for (const name of ['script', 'img']) assert.equal(names.includes(name), false, name)
  // Warnings and tables differ in length, kinds of elements do not.
  assert.deepEqual(
    [...new Set(names)].filter((name) => !clean.includes(name) && name !== 'strong'),
    [],
  )
  assert.ok(textOf(page).includes(`hostname${hostile}`), 'the text itself is shown')
  elements(pageOf(bad))
})

test('credentials are shown nowhere', () => {
  const secrets = ['hunter2hunter2', 'c2lnbmF0dXJl', 'AKIAverysecret']
  const page = pageOf(
    sample('secret', (result) => {
      result.command.push('storage.storage_options.secret_access_key=AKIAverysecret')
      result.objects.endpoints[0].endpoint = 'http://user:hunter2hunter2@10.0.0.1:9000'
      result.objects.uri = 'az://account/container?sv=2024&sig=c2lnbmF0dXJl'
      result.warnings.push({ code: 'x', message: 'cannot read https://a/b?sig=c2lnbmF0dXJl&x=1' })
      result.workload.folder = 's3://AKIA:hunter2hunter2@bucket/x'
    }),
  )
  for (const secret of secrets) assert.equal(page.includes(secret), false, secret)
  assert.match(page, /\(hidden\)/)
})

test('the same runs give the same page, also when others were drawn before', () => {
  const folders = [sample('same'), join(runsFolder, '04-up-eval-r2', 'out')]
  const first = pageOf(...folders)
  pageOf(sample('between'))
  assert.equal(pageOf(...folders), first)
})

test('folders of DLIO are shown with what their steps give, as aggregate computes it', () => {
  const ids = readdirSync(runsFolder).filter((id) => existsSync(join(runsFolder, id, 'out', '0_output.json')))
  assert.ok(ids.length > 0)
  for (const id of ids) {
    const path = join(runsFolder, id, 'out')
    const { runs } = aggregated([path])
    const [run] = runs
    if (run === undefined) continue
    const page = pageOf(path)
    elements(page)
    const { train, evaluation, checkpoint, timeSplit } = run.own
    assert.equal(hasSection(page, 'training'), train !== undefined, id)
    assert.equal(hasSection(page, 'evaluation'), evaluation !== undefined, id)
    assert.equal(hasSection(page, 'checkpoints'), checkpoint.save !== undefined || checkpoint.load !== undefined, id)
    if (train?.auPercent !== undefined) {
      assert.deepEqual(row(section(page, 'training'), 'AU, mean of the epochs'), [train.auPercent], id)
      assert.deepEqual(row(section(page, 'training'), 'Throughput'), [train.samplesPerSecond], id)
    }
    if (timeSplit) assert.equal(row(section(page, 'time'), 'all training time')[0], timeSplit.wallSeconds, id)
    assert.equal(hasSection(page, 'client'), false, 'DLIO records nothing of itself')
    assert.match(textOf(section(page, 'details')), /Program\s*DLIO/)
  }
})

test('several runs stand side by side by the rules of compare, with ratios to the first', () => {
  const base = sample('before')
  const other = sample('after', (result) => {
    result.train.auPercent = 45.5
    result.train.samplesPerSecond = 240.5
    result.histograms.sampleReadUs = latencies(100, 200, 300, 8000)
    result.work['reader.batch_size'] = 8
  })
  const page = pageOf(base, other)
  const text = section(page, 'comparison')
  assert.deepEqual(row(text, 'AU'), [91.234567, 45.5, 45.5 / 91.234567])
  assert.match(rows(text).get('AU')!.text, /^91\.2 %45\.5 %×0\.50worse$/)
  const { quantities } = compareRuns(readMeasured(base, {}), readMeasured(other, {}), 5)
  assert.equal(rows(text).size, new Set(quantities.map(({ title }) => title)).size)
  for (const { title, base: before, new: after } of quantities.filter(({ unit }) => unit === 'µs'))
    assert.deepEqual(row(text, title), [before, after, after! / before!])
  assert.match(textOf(text), /after did other work than before: reader\.batch_size: 4 and 8/)
  assert.deepEqual(row(section(page, 'training'), 'AU, mean of the epochs'), [91.234567, 45.5])
  const lines = [...section(page, 'training').matchAll(/stroke="(var\(--c\d\))"/g)].map(([, colour]) => colour)
  assert.deepEqual([...new Set(lines)], ['var(--c1)', 'var(--c2)'], 'one line a run')
  assert.equal(hasSection(pageOf(base), 'comparison'), false)
})

test('a run keeps its colour where others have nothing to draw', () => {
  const page = pageOf(
    sample('without', (result) => delete result.evaluation),
    sample('with'),
  )
  const text = section(page, 'evaluation')
  assert.match(text, /stroke="var\(--c2\)"/)
  assert.doesNotMatch(text, /stroke="var\(--c1\)"/)
})

test('doubts stand at the top: warnings, an interruption, stored numbers that the steps do not give', () => {
  const warned = pageOf(sample('warned'))
  assert.match(textOf(warned), /Warning\s*the data set fits into memory/)
  const partial = sampleResult()
  partial.complete = false
  partial.interruption = 'interrupted by SIGINT'
  const page = pageOf(resultFolder(folder, 'partial', partial, 'result.partial.json'))
  assert.match(textOf(page), /incomplete, so figures are of a part: interrupted by SIGINT/)
  const dlio = copyRun('11-fork-npz-torch-r2', join(folder, 'changed'))
  assert.doesNotMatch(pageOf(dlio), /do not follow from the recorded steps/)
  editJson(dlio, 'summary.json', ({ metric }) => {
    metric.train_au_mean_percentage += 10
  })
  assert.match(
    textOf(pageOf(dlio)),
    /1 of \d+ stored numbers do not follow from the recorded steps, the first metric\.train_au_mean_percentage of summary\.json/,
  )
})

test('what was not measured is absent: too few steps, no histograms, no hosts', () => {
  const page = pageOf(
    sample('little', (result) => {
      for (const key of ['auPercent', 'auStdevPercent', 'samplesPerSecond', 'bytesPerSecond', 'slowestRank', 'fastestRank', 'meetsTarget'])
        delete result.train[key]
      result.train.auPercentByEpoch = [null]
      result.train.samplesPerSecondByEpoch = [null]
      result.train.tooFewSteps = { need: 2, have: 1 }
      result.histograms = {}
      result.hosts = []
      for (const key of ['evaluation', 'checkpoint', 'objects', 'timeSplit', 'measuredTimeSplit']) delete result[key]
    }),
  )
  elements(page)
  for (const id of ['latency', 'evaluation', 'checkpoints', 'objects', 'time']) assert.equal(hasSection(page, id), false, id)
  assert.match(textOf(section(page, 'training')), /not measured: too few steps \(has 1, needs 2\)/)
  assert.deepEqual(row(section(page, 'training'), 'All samples over all time'), [96])
  assert.equal(valuesOf(page).some(Number.isNaN), false)
  assert.doesNotMatch(textOf(page), /NaN|undefined|Infinity|\[object/)
})

test('numbers beyond all measure, names that objects have of their own and very long lists break nothing', () => {
  const page = pageOf(
    sample('extreme', (result) => {
      const { sampleReadUs } = result.histograms
      result.histograms = JSON.parse(`{"__proto__": ${JSON.stringify(sampleReadUs)}, "constructor": ${JSON.stringify(sampleReadUs)}}`)
      result.histograms.wide = {
        ...sampleReadUs,
        minUs: 0,
        maxUs: 1e300,
        bucketsUs: [
          [0, 5],
          [1e300, 1],
        ],
      }
      result.objects.retries = JSON.parse('{"__proto__": 3, "toString": 4}')
      result.objects.endpoints = Array.from({ length: 70 }, (_, i) => ({ ...result.objects.endpoints[0], endpoint: `http://h${i}` }))
      result.io.readExtent = '__proto__'
      result.train.auPercentByEpoch = Array.from({ length: 5000 }, (_, i) => [1e300, -5, null, 90][i % 4])
      result.train.samplesPerSecondByEpoch = Array.from({ length: 5000 }, () => 0)
    }),
  )
  elements(page)
  assert.doesNotMatch(page, /NaN|Infinity|\[object/)
  assert.match(textOf(page), /The first 1000 of 5000; result\.json has all/)
  assert.match(textOf(page), /The first 64 of 70 endpoints/)
  assert.deepEqual(row(section(page, 'objects'), 'Retries: to string'), [4])
  assert.ok(page.length < 1e6, `${page.length} characters`)
})
