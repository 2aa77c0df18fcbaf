// The report of finished runs, against one that DLIO's own postprocessor wrote.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { readIostat } from '#src/aggregate/iostat.js'
import { describeSeries, sumOfSeries } from '#src/aggregate/series.js'
import { DataError } from '#src/errors.js'
import { scratchFolder } from '../cli/driver.js'
import { runBin } from '../cli/drop-in.js'
import { copyRun, runsFolder } from './folders.js'

const golden = 'test/golden/postprocessor'
const evaluated = '02-up-hdf5-torch-r2'
const root = scratchFolder('postprocessor')
const postprocessor = (...args: string[]) => runBin('dlio_postprocessor', root, args)

/** DLIO counts each sample of a disk twice in the tables over all epochs; here such rows are left out. */
function withoutOverallDisks(report: string): string[] {
  const lines = report.split('\n')
  const [begin, end] = [lines.findIndex((line) => line.includes('I/O Stats')), lines.findIndex((line) => line.includes('CPU Stats'))]
  return lines.filter((_, i) => i < begin || i > end)
}

test('a report of a profiled run is line by line the one that DLIO’s postprocessor writes', async () => {
  const folder = copyRun(evaluated, join(root, 'profiled'))
  copyFileSync(join(golden, 'iostat.json'), join(folder, 'iostat.json'))
  const { code, stdout, stderr } = await postprocessor('-of', folder, '-n', 'ref', '-np', '2', '--epochs=2')
  assert.equal(code, 0, stderr)
  assert.equal(stdout, `${join(folder, 'DLIO_ref_report.txt')}\n`)
  const [ours, theirs] = [readFileSync(join(folder, 'DLIO_ref_report.txt'), 'utf8'), readFileSync(join(golden, 'report.txt'), 'utf8')]
  assert.deepEqual(withoutOverallDisks(ours), withoutOverallDisks(theirs))
  assert.equal(ours.split('\n').length, theirs.split('\n').length)
})

test('over all epochs a sample of a disk counts once', async () => {
  const report = readFileSync(join(root, 'profiled', 'DLIO_ref_report.txt'), 'utf8')
  const [, mean, stdev] = /Device: sda[\s\S]*?R Bandwidth \(MB\/s\): +(\S+) +(\S+)/.exec(report) ?? []
  assert.deepEqual([mean, stdev], ['90.55', '65.45'])
})

test('a run that was not profiled has no tables, and the name of its model', async () => {
  const folder = copyRun('11-fork-npz-torch-r2', join(root, 'plain'))
  const { code, stderr } = await postprocessor('--output-folder', folder)
  assert.equal(code, 0)
  assert.match(stderr, /iostat\.json is missing, so there are no tables; run with \+\+workload\.workflow\.profiling=True/)
  const report = readFileSync(join(folder, 'DLIO_unet3d_report.txt'), 'utf8')
  assert.match(report, /^DLIO v1\.0 Report\n/)
  assert.match(report, /\n {4}Num Ranks: +2\n {4}Batch size \(per rank\): +2\n/)
  assert.doesNotMatch(report, /I\/O Stats/)
})

test('every recorded run has its blocks, evaluations and checkpoints in the report', async () => {
  for (const id of readdirSync(runsFolder).filter((name) => existsSync(join(runsFolder, name, 'out', 'summary.json')))) {
    const folder = copyRun(id, join(root, id))
    const { code, stderr } = await postprocessor('-of', folder, '-n', '')
    assert.equal(code, 0, stderr)
    const report = readFileSync(join(folder, 'DLIO_report.txt'), 'utf8')
    const stats = JSON.parse(readFileSync(join(folder, '0_per_epoch_stats.json'), 'utf8')) as Record<string, Record<string, unknown>>
    const count = (name: RegExp) => Object.values(stats).flatMap((epoch) => Object.keys(epoch).filter((key) => name.test(key))).length
    for (const [title, name] of [
      ['Block', /^block/],
      ['Eval', /^eval/],
      ['Checkpoint', /^(save|load)_ckpt/],
    ] as const)
      assert.equal(report.match(new RegExp(`^ {4}${title} \\d+$`, 'gm'))?.length ?? 0, count(name), `${id} ${title}`)
  }
})

test('bad command lines and folders without results are one clear error', async () => {
  for (const [args, code, message] of [
    [['--outputs', 'x'], 2, /unrecognized argument --outputs/],
    [['-of'], 2, /argument -of: expected one argument/],
    [['-bs', '0'], 2, /argument -bs: a whole number of at least 1 is needed, not 0/],
    [['-of', resolve(golden)], 1, /holds no results of a run: summary\.json and 0_output\.json are looked for/],
    [['-of', 'nowhere'], 1, /nowhere/],
  ] as const) {
    const outcome = await postprocessor(...args)
    assert.equal(outcome.code, code, outcome.stderr)
    assert.match(outcome.stderr, message)
  }
  const help = await postprocessor('--help')
  assert.equal(help.code, 0)
  assert.match(help.stdout, /^usage: dlio_postprocessor/m)
})

test('an iostat report that is none is named with the key', () => {
  const path = join(root, 'iostat.json')
  const refused = (content: unknown, message: RegExp) => {
    writeFileSync(path, JSON.stringify(content))
    assert.throws(
      () => readIostat(path),
      (error) => error instanceof DataError && message.test(error.message),
    )
  }
  const cpu = { user: 1, nice: 2, system: 3, iowait: 0, steal: 0, idle: 94 }
  const report = (statistics: unknown) => ({ sysstat: { hosts: [{ statistics }] } })
  refused({}, /sysstat must be an object/)
  refused({ sysstat: { hosts: {} } }, /sysstat\.hosts must be a list/)
  refused(report([{ timestamp: 'noon', 'avg-cpu': cpu }]), /statistics\[0\] timestamp must be a time such as 11\/22\/26/)
  refused(report([{ timestamp: '11/22/26 17:57:06', 'avg-cpu': { user: 'x' } }]), /statistics\[0\] avg-cpu\.user must be a finite number/)
  const times = ['11/22/26 17:57:06', '11/22/2026 05:57:06 PM', '2026-11-22T17:57:06+0000', '2026-11-22 17:57:06']
  writeFileSync(path, JSON.stringify(report(times.map((timestamp) => ({ timestamp, 'avg-cpu': cpu })))))
  const samples = readIostat(path)
  assert.deepEqual(new Set(samples.map(({ timeMs }) => timeMs)), new Set([Date.UTC(2026, 10, 22, 17, 57, 6)]))
  assert.equal(samples[0]!.cpu.user, 3)
})

test('series have the statistics of Python: deviations of a sample, inclusive quantiles, n/a below two values', () => {
  assert.deepEqual(describeSeries([4, 1, 3, 2]), ['2.50', '1.29', '1.00', '2.50', '3.70', '3.97', '4.00'])
  assert.deepEqual(describeSeries([7, 7, 8]), ['7.33', '0.58', '7.00', '7.00', '7.80', '7.98', '8.00'])
  assert.deepEqual(describeSeries([1]), Array(7).fill('n/a'))
  assert.deepEqual(
    sumOfSeries([
      [1, 2, 3],
      [10, 20],
    ]),
    [11, 22],
  )
  assert.deepEqual(sumOfSeries([]), [])
})
