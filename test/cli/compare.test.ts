// `dl-driver compare` as its user runs it.
import assert from 'node:assert/strict'
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { copyRun, editJson, type Json } from '../aggregate/folders.js'
import { driver, scratchFolder, workloadFile } from './driver.js'

const folder = scratchFolder('compare')
const base = join(folder, 'base')

before(async () => {
  const config = workloadFile(folder, {
    framework: 'pytorch',
    workflow: { generate_data: true, train: true },
    dataset: { format: 'npz', data_folder: join(folder, 'data'), num_files_train: 12, record_length_bytes: 3000 },
    reader: { data_loader: 'pytorch', batch_size: 2, read_threads: 1 },
    train: { epochs: 3, computation_time: 0.01 },
  })
  const { code, stderr } = await driver(['run', config, '--output', base, '-q'])
  assert.equal(code, 0, stderr)
})

/** A copy of the base run whose result.json was changed. */
function changed(name: string, change: (result: Json) => void): string {
  const run = join(folder, name)
  cpSync(base, run, { recursive: true })
  editJson(run, 'result.json', change)
  return run
}

test('a run compared with itself is no regression, as folders and as files', async () => {
  for (const path of [base, join(base, 'result.json')]) {
    const { code, stdout, stderr } = await driver(['compare', base, path])
    assert.deepEqual([code, stderr], [0, ''])
    assert.match(stdout, /\nAU .*0\.0 %.*\nThroughput .*samples\/s/)
    assert.match(stdout, /\nnothing worse by more than 5 %\n$/)
  }
})

test('a lower AU ends with 4, and --json names it and prints nothing but one object', async () => {
  const worse = changed('worse', ({ train }) => {
    train.auPercent *= 0.5
    train.auPercentByEpoch = train.auPercentByEpoch.map((au: number) => au * 0.5)
  })
  const { code, stdout, stderr } = await driver(['compare', base, worse, '--json'])
  assert.deepEqual([code, stderr], [4, ''])
  const result = JSON.parse(stdout) as Json
  assert.deepEqual(result.regressions, ['train.auPercent'])
  assert.equal(result.thresholdPercent, 5)
  const au = result.quantities.find(({ key }: Json) => key === 'train.auPercent')
  assert.ok(Math.abs(au.changePercent + 50) < 1e-9 && au.noisePercent > 0)
  assert.equal((await driver(['compare', base, worse, '--threshold', '60'])).code, 0)
  assert.equal((await driver(['compare', worse, base])).code, 0, 'the other way round it is an improvement')
})

test('more client CPU and longer latencies are regressions', async () => {
  const costly = changed('costly', (result) => {
    result.client.cpuSeconds *= 1.2
    result.histograms.sampleReadUs.p50Us *= 2
  })
  const { code, stdout } = await driver(['compare', base, costly, '--json'])
  assert.equal(code, 4)
  assert.deepEqual((JSON.parse(stdout) as Json).regressions, [
    'client.cpuUsPerSample',
    'client.cpuSecondsPerGB',
    'histograms.sampleReadUs.p50Us',
  ])
})

test('runs of different work are refused with what differs, unless --force', async () => {
  for (const [name, change, words] of [
    ['order', (result: Json) => (result.orderDigest = 'f'.repeat(64)), /order digest: [0-9a-f]{12}… and f{12}…/],
    ['semantics', (result: Json) => (result.semantics = 'upstream'), /semantics: mlcommons and upstream/],
    ['ranks', (result: Json) => (result.world.ranks = 2), /ranks: 1 and 2/],
    ['batch', (result: Json) => (result.work['reader.batch_size'] = 4), /reader\.batch_size: 2 and 4/],
    ['time', (result: Json) => (result.work['train.computation_time'].mean = 1), /train\.computation_time: /],
    ['part', (result: Json) => (result.complete = false), /complete: true and false/],
  ] as const) {
    const other = changed(`work-${name}`, change)
    const refused = await driver(['compare', base, other])
    assert.deepEqual([refused.code, refused.stdout], [2, ''], name)
    assert.match(refused.stderr, words)
    assert.match(refused.stderr, /--force/)
    const forced = await driver(['compare', base, other, '--force', '--json'])
    assert.equal(forced.code, 0, forced.stderr)
    assert.match(forced.stderr, words)
    assert.equal((JSON.parse(forced.stdout) as Json).workDifferences.length, 1)
  }
})

test('where the data lies, and how it is read, is what runs are compared for', async () => {
  const other = changed('elsewhere', (result) => {
    result.workload.folder = '/mnt/other'
    result.configDigest = '0'.repeat(64)
    result.io.requestBytes = 4096
  })
  assert.equal((await driver(['compare', base, other])).code, 0)
})

test('folders of DLIO are compared by what their steps give, and with runs of this program', async () => {
  const dlio = copyRun('11-fork-npz-torch-r2', join(folder, 'dlio'))
  const same = await driver(['compare', dlio, dlio, '--json'])
  assert.equal(same.code, 0, same.stderr)
  const result = JSON.parse(same.stdout) as Json
  assert.deepEqual(
    result.quantities.map(({ key }: Json) => key),
    ['train.auPercent', 'train.samplesPerSecond', 'train.bytesPerSecond'],
  )
  const mixed = await driver(['compare', base, dlio])
  assert.equal(mixed.code, 2)
  assert.match(mixed.stderr, /ranks: 1 and 2.*dataset\.num_files_train: 12 and 96/)
})

test('what is no result is refused with its name', async () => {
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const dlio = copyRun('11-fork-npz-torch-r2', join(folder, 'dlio-file'))
  for (const [path, code, words] of [
    [join(folder, 'nowhere'), 1, /nowhere: cannot read: there is no such file or folder/],
    [write('cut.json', '{"schemaVersion": 1, "train": {'), 1, /cut\.json: is not JSON/],
    [write('list.json', '[]'), 1, /list\.json: the file must be an object/],
    [write('other.json', '{"a": 1}'), 1, /other\.json: is no result\.json/],
    [write('future.json', '{"schemaVersion": 99}'), 1, /future\.json: has schemaVersion 99/],
    [write('text.json', '{"schemaVersion": 1, "train": {"auPercent": "x"}}'), 1, /text\.json: train\.auPercent must be a finite number/],
    [write('none.json', '{"schemaVersion": 1}'), 1, /no number in common/],
    [join(dlio, 'summary.json'), 1, /summary\.json: is no result\.json.*give the folder/],
    [join(folder, 'data'), 1, /data: holds no results/],
  ] as const) {
    const { code: actual, stdout, stderr } = await driver(['compare', base, path])
    assert.deepEqual([actual, stdout], [code, ''], path)
    assert.match(stderr, words)
    assert.doesNotMatch(stderr, /\n\s+at /)
  }
  assert.equal((await driver(['compare', base])).code, 2)
  assert.equal((await driver(['compare', base, base, '--threshold', '-1'])).code, 2)
})
