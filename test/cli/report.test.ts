// `dl-driver report` as its user runs it.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { copyRun, readJsonFile } from '../aggregate/folders.js'
import { elements, hasSection, row, section, textOf } from '../report/page-reader.js'
import { resultFolder, sampleResult } from '../report/samples.js'
import { bin, driver, scratchFolder, workloadFile } from './driver.js'

const folder = scratchFolder('report')
const run = join(folder, 'run')

before(async () => {
  const config = workloadFile(folder, {
    framework: 'pytorch',
    model: { name: 'tiny', type: 'cnn' },
    workflow: { generate_data: true, train: true, evaluation: true, checkpoint: true },
    dataset: { format: 'npz', data_folder: join(folder, 'data'), num_files_train: 12, num_files_eval: 4, record_length_bytes: 3000 },
    reader: { data_loader: 'pytorch', batch_size: 2, batch_size_eval: 2, read_threads: 1 },
    train: { epochs: 3, computation_time: 0.01 },
    evaluation: { eval_time: 0.01 },
    checkpoint: { checkpoint_folder: join(folder, 'checkpoints'), epochs_between_checkpoints: 1 },
  })
  const { code, stderr } = await driver(['run', config, '--output', run, '-q'])
  assert.equal(code, 0, stderr)
})

test('a finished run becomes report.html in its folder, with the numbers of its result.json, and the terminal says so', async () => {
  const { code, stdout, stderr } = await driver(['report', run])
  assert.deepEqual([code, stdout], [0, ''], stderr)
  const path = join(run, 'report.html')
  const result = readJsonFile(run, 'result.json')
  assert.match(stderr, new RegExp(`^run: AU ${result.train.auPercent.toFixed(1)} % .*Throughput .*/s .*bound by ${result.boundBy}`))
  assert.ok(stderr.includes(`\nreport: ${path} (`), stderr)
  const page = readFileSync(path, 'utf8')
  elements(page)
  assert.deepEqual(row(section(page, 'training'), 'AU, mean of the epochs'), [result.train.auPercent])
  assert.deepEqual(row(section(page, 'evaluation'), 'Throughput'), [result.evaluation.samplesPerSecond])
  assert.deepEqual(row(section(page, 'checkpoints'), 'Checkpoints saved'), [result.checkpoint.save.count])
  assert.equal(row(section(page, 'latency'), 'Step')[0], result.train.steps)
  assert.equal(row(section(page, 'latency'), 'Sample read')[5], result.histograms.sampleReadUs.p99Us)
  assert.equal(hasSection(page, 'objects'), false)
  assert.match(textOf(section(page, 'details')), /all \d+ follow from the recorded steps/)
  assert.ok(textOf(section(page, 'details')).includes(result.orderDigest))
  // Written a second time, from a folder that holds a report now.
  assert.equal((await driver(['report', run])).code, 0)
  assert.equal(readFileSync(path, 'utf8'), page)
  assert.deepEqual(
    readdirSync(run).filter((name) => name.includes('.tmp')),
    [],
  )
})

test('several folders become report.html where the command runs, with both programs’ runs in it', async () => {
  const dlio = copyRun('11-fork-npz-torch-r2', join(folder, 'dlio'))
  const here = join(folder, 'here')
  mkdirSync(here)
  const { code, stderr } = await driver(['report', run, dlio], { cwd: here })
  assert.equal(code, 0, stderr)
  assert.match(stderr, /^run: AU .*\ndlio: AU .*\nreport: report\.html \(/)
  const page = readFileSync(join(here, 'report.html'), 'utf8')
  assert.match(textOf(section(page, 'comparison')), /dlio did other work than run/)
  assert.equal(existsSync(join(dlio, 'report.html')), false)
})

test('--output - writes the page and nothing else to standard output; who stops reading is no error', async () => {
  const { code, stdout, stderr } = await driver(['report', run, '--output', '-'])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^<!doctype html>[\s\S]*<\/html>\n$/)
  assert.doesNotMatch(stderr, /report:/)
  const cut = execFileSync('bash', [
    '-c',
    `set -o pipefail; "$0" "$1" report "$2" --output - 2>/dev/null | head -c 100`,
    process.execPath,
    bin,
    run,
  ])
  assert.equal(cut.length, 100)
})

test('a named pipe is written to and stays one', async () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const reader = spawn('cat', [pipe])
  const text: Buffer[] = []
  reader.stdout.on('data', (piece: Buffer) => text.push(piece))
  const ended = new Promise((resolve) => reader.stdout.on('end', resolve))
  const { code, stderr } = await driver(['report', run, '--output', pipe])
  await ended
  assert.equal(code, 0, stderr)
  assert.match(Buffer.concat(text).toString(), /<\/html>\n$/)
  assert.ok(statSync(pipe).isFIFO())
})

test('an existing page is replaced at once: what the old name held stays whole for who has it open', async () => {
  const page = join(folder, 'page.html')
  writeFileSync(page, 'old')
  const other = join(folder, 'linked.html')
  execFileSync('ln', [page, other])
  assert.equal((await driver(['report', run, '--output', page])).code, 0)
  assert.equal(readFileSync(other, 'utf8'), 'old')
  assert.match(readFileSync(page, 'utf8'), /^<!doctype html>/)
})

test('an output that must not be written is refused with 2 before anything is touched', async () => {
  const result = readFileSync(join(run, 'result.json'), 'utf8')
  for (const [output, words] of [
    [join(run, 'result.json'), /the name must end with \.html/],
    [run, /is a folder/],
    [join(folder, 'nowhere', 'x.html'), /there is no folder .*nowhere/],
    ['', /the name must end with \.html/],
  ] as const) {
    const { code, stdout, stderr } = await driver(['report', run, '--output', output])
    assert.deepEqual([code, stdout], [2, ''], output)
    assert.match(stderr, words)
  }
  assert.equal(readFileSync(join(run, 'result.json'), 'utf8'), result)
})

test('folders that hold no usable result end with 2, one clear line each, and no page', async () => {
  const empty = join(folder, 'empty')
  mkdirSync(empty)
  const cut = resultFolder(folder, 'cut', '{"schemaVersion": 1, "train": {')
  const future = resultFolder(folder, 'future', { ...sampleResult(), schemaVersion: 99 })
  const half = resultFolder(folder, 'half', { schemaVersion: 1 })
  const { code, stdout, stderr } = await driver(['report', run, empty, cut, future, half, join(folder, 'gone')], { cwd: empty })
  assert.deepEqual([code, stdout], [2, ''])
  const lines = stderr.trimEnd().split('\n')
  assert.equal(lines.length, 5, stderr)
  for (const [line, words] of [
    [`error: ${empty}:`, /holds no results: looked for result\.json/],
    [`error: ${join(folder, 'gone')}:`, /cannot list/],
    [`error: ${join(cut, 'result.json')}:`, /is not JSON/],
    [`error: ${join(future, 'result.json')}:`, /has schemaVersion 99/],
    [`error: ${join(half, 'result.json')}:`, /is no whole result/],
  ] as const)
    assert.ok(
      lines.some((one) => one.startsWith(line) && words.test(one)),
      `${line}\n${stderr}`,
    )
  assert.deepEqual(readdirSync(empty), [])
  assert.equal((await driver(['report'])).code, 2)
})

test('a folder of DLIO without its configuration is reported with the facts that are given', async () => {
  const bare = join(folder, 'bare')
  const dlio = copyRun('11-fork-npz-torch-r2', join(folder, 'with-config'))
  mkdirSync(bare)
  for (const name of readdirSync(dlio)) if (name.endsWith('.json')) writeFileSync(join(bare, name), readFileSync(join(dlio, name)))
  const refused = await driver(['report', bare])
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /bare: the batch size \(--batch-size\) and the bytes of a sample \(--record-bytes\) are not known/)
  const { code, stderr } = await driver(['report', bare, '--batch-size', '4', '--record-bytes', '1000'])
  assert.equal(code, 0, stderr)
  assert.deepEqual(row(section(readFileSync(join(bare, 'report.html'), 'utf8'), 'details'), 'Batch size'), [4])
})

test('names that would steer a terminal do not reach it', async () => {
  const odd = join(folder, 'odd\x1b[31m')
  mkdirSync(odd)
  symlinkSync(join(run, 'result.json'), join(odd, 'result.json'))
  const { code, stderr } = await driver(['report', odd])
  assert.equal(code, 0, stderr)
  assert.equal(stderr.includes('\x1b'), false)
})
