// What the operating system saw is what the result claims: every open and every read of a data file, counted by strace.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Result } from '#src/output/result.js'
import { hasProgram } from '../requirements.js'
import { bin, driver, scratchFolder, workloadFile } from './driver.js'

interface Case {
  readonly name: string
  readonly semantics: 'mlcommons' | 'upstream'
  readonly dataset: {
    readonly format: string
    readonly record_length_bytes: number
    readonly num_samples_per_file?: number
    readonly num_files_train?: number
  }
  readonly options?: readonly string[]
  readonly ranks?: number
  readonly framework?: 'pytorch' | 'tensorflow'
  /** What the format's documentation says of the bytes that one sample (for tfrecord: one file) costs. */
  readonly check: (opened: Opened, recordBytes: number) => void
}

/** One opening of a file, with the reads that followed. */
interface Opened {
  readonly path: string
  readonly flags: string
  readonly fileBytes: number
  readonly reads: { readonly asked: number; readonly got: number; readonly offset: number }[]
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
const bytesOf = ({ reads }: Opened) => sum(reads.map(({ got }) => got))

/** MLCommons' DLIO: whole files, front to back, anew for each sample. */
function wholeFile(opened: Opened): void {
  assert.equal(bytesOf(opened), opened.fileBytes, opened.path)
  frontToBack(opened)
}

function frontToBack({ path, reads }: Opened): void {
  let next = 0
  for (const { offset, got } of reads) {
    assert.equal(offset, next, `${path} is read front to back`)
    next += got
  }
}

const pageBytes = 4096
const epochs = 2
const cases: Case[] = [
  {
    name: 'npz, one sample a file',
    semantics: 'mlcommons',
    dataset: { format: 'npz', record_length_bytes: 300_000 },
    check: wholeFile,
  },
  {
    name: 'npz, several samples a file: the whole file for each',
    semantics: 'mlcommons',
    dataset: { format: 'npz', num_samples_per_file: 3, record_length_bytes: 200_000 },
    check: wholeFile,
  },
  {
    name: 'hdf5, several samples a file: the whole file for each',
    semantics: 'mlcommons',
    dataset: { format: 'hdf5', num_samples_per_file: 3, record_length_bytes: 200_000 },
    check: wholeFile,
  },
  {
    name: 'npz, many readers on the event loop',
    semantics: 'mlcommons',
    ranks: 12,
    dataset: { format: 'npz', num_files_train: 24, record_length_bytes: 30_000 },
    check: wholeFile,
  },
  {
    name: 'npz with O_DIRECT: the whole file at once',
    semantics: 'mlcommons',
    options: ['--direct'],
    dataset: { format: 'npz', record_length_bytes: 300_000 },
    check: (opened) => {
      wholeFile(opened)
      assert.equal(opened.reads[0]!.got, opened.fileBytes)
    },
  },
  {
    name: 'hdf5 with O_DIRECT: the whole file at once',
    semantics: 'mlcommons',
    options: ['--direct'],
    dataset: { format: 'hdf5', num_samples_per_file: 2, record_length_bytes: 300_000 },
    check: (opened) => {
      wholeFile(opened)
      assert.equal(opened.reads[0]!.got, opened.fileBytes)
    },
  },
  {
    name: 'npz, upstream: member x and both ends of the archive',
    semantics: 'upstream',
    dataset: { format: 'npz', record_length_bytes: 300_000 },
    check: (opened) => {
      const bytes = bytesOf(opened)
      // Recorded of DLIO: the file and about 4.3 KiB (the head and the directory are fetched twice).
      assert.ok(bytes >= opened.fileBytes && bytes <= opened.fileBytes + 2 * pageBytes, `${bytes} of ${opened.fileBytes}`)
    },
  },
  {
    name: 'hdf5, upstream: one hyperslab of the sample and its metadata',
    semantics: 'upstream',
    dataset: { format: 'hdf5', num_files_train: 8, num_samples_per_file: 4, record_length_bytes: 100_000 },
    check: (opened, recordBytes) => {
      // Recorded of DLIO: superblock 8 and 48 bytes, two headers of 512, then exactly the sample.
      assert.equal(bytesOf(opened), recordBytes + 1080)
      assert.ok(opened.reads.some(({ offset, got }) => got === recordBytes && (offset - 2048) % recordBytes === 0))
    },
  },
  {
    name: 'tfrecord: each file once, in pieces of transfer_size',
    semantics: 'mlcommons',
    framework: 'tensorflow',
    dataset: { format: 'tfrecord', num_samples_per_file: 8, record_length_bytes: 100_000 },
    check: (opened) => {
      frontToBack(opened)
      for (const { asked } of opened.reads) assert.equal(asked, 262_144)
    },
  },
]

for (const of of cases)
  test(`${of.name}: bytes, calls and opens of the result are those that the system saw`, async (t) => {
    if (!hasProgram(t, 'strace', '-V')) return
    const folder = scratchFolder('strace')
    const data = join(folder, 'data')
    const framework = of.framework ?? 'pytorch'
    const config = workloadFile(folder, {
      framework,
      workflow: { train: true },
      dataset: { data_folder: data, num_files_train: 4, ...of.dataset },
      reader: { data_loader: framework, batch_size: 2, read_threads: of.ranks === undefined ? 2 : 1 },
      train: { epochs, computation_time: 0.001 },
    })
    const common = ['--semantics', of.semantics, '--ranks', String(of.ranks ?? 1)]
    assert.equal((await driver(['generate', config, '-q', ...common])).code, 0)
    const out = join(folder, 'out')
    const opened = await traced(folder, data, ['run', config, '--output', out, '-q', ...common, ...(of.options ?? [])])
    const { io } = JSON.parse(fs.readFileSync(join(out, 'result.json'), 'utf8')) as Result

    assert.ok(opened.length > 0)
    const reads = opened.flatMap((one) => one.reads)
    assert.equal(io.bytesAsked, sum(reads.map(({ got }) => got)), 'bytes')
    assert.equal(io.readCalls, reads.length, 'calls')
    assert.equal(io.filesOpened, opened.length, 'opens')
    if (framework === 'pytorch') assert.equal(io.samplesRead, opened.length, 'every sample opens its file')
    else {
      // What is read ahead when the last step ends is cut short; before that every epoch has read every file to its end.
      const complete = opened.filter((one) => bytesOf(one) === one.fileBytes)
      for (const { path } of opened) assert.equal(complete.filter((one) => one.path === path).length, epochs, path)
    }
    const direct = of.options?.includes('--direct') ?? false
    const side = Math.floor(Math.sqrt(of.dataset.record_length_bytes))
    for (const one of opened) {
      assert.equal(one.flags.includes('O_DIRECT'), direct, one.flags)
      if (direct) for (const { asked, offset } of one.reads) assert.equal((asked % pageBytes) + (offset % pageBytes), 0)
      of.check(one, side * side)
    }
  })

/** Runs `dl-driver ARGS` under strace; what it opened and read below `data`. Files of one open each, as every descriptor is closed again. */
async function traced(folder: string, data: string, args: readonly string[]): Promise<Opened[]> {
  const logs = join(folder, 'strace')
  const calls = ['openat', 'open', 'close', 'read', 'pread64', 'readv', 'preadv', 'preadv2', 'io_uring_enter']
  // A log a thread, so that no call is cut in two by another; -y names the files of descriptors.
  const options = ['-ff', '-y', '-s', '0', '-ttt', '-T', '-o', logs, '-e', `trace=${calls.join(',')}`]
  await new Promise<void>((resolve, reject) => {
    execFile('strace', [...options, process.execPath, bin, ...args], { timeout: 120_000 }, (error, _, stderr) =>
      error ? reject(new Error(`${error.message}\n${stderr}`)) : resolve(),
    )
  })
  const lines = fs
    .readdirSync(folder)
    .filter((name) => name.startsWith('strace.'))
    .flatMap((name) => fs.readFileSync(join(folder, name), 'utf8').split('\n'))
    .filter(Boolean)
    .map((line) => ({ line, at: timeOf(line) }))
    .sort((a, b) => a.at - b.at)
  const all: Opened[] = []
  const byDescriptor = new Map<number, Opened>()
  for (const { line } of lines) {
    assert.doesNotMatch(line, /io_uring_enter\(/, 'reads through io_uring would not be counted here')
    const open = /\bopen(?:at)?\((?:[^"]*, )?"([^"]*)".*?, (O_[A-Z_|]+).* = (\d+)</.exec(line)
    if (open !== null) {
      const [, path, flags, descriptor] = open as unknown as [string, string, string, string]
      if (!path.startsWith(data) || flags.includes('O_DIRECTORY')) continue
      const one: Opened = { path, flags, fileBytes: fs.statSync(path).size, reads: [] }
      all.push(one)
      byDescriptor.set(Number(descriptor), one)
      continue
    }
    const call = /\b(\w+)\((\d+)<([^>]*)>(.*) = (-?\d+)/.exec(line)
    if (call === null || !call[3]!.startsWith(data)) continue
    const [, name, descriptor, path, rest, got] = call as unknown as [string, string, string, string, string, string]
    const one = byDescriptor.get(Number(descriptor))
    if (one === undefined || one.path !== path) continue // A folder that is listed.
    if (name === 'close') continue
    const [asked, offset] = rest.split(', ').slice(-2)
    assert.equal(name, 'pread64', `${line}: only positioned reads are expected`)
    one.reads.push({ asked: Number(asked), offset: Number.parseInt(offset!, 10), got: Number(got) })
  }
  return all
}

/**
 * The second at which a call counts: an open when it has ended, others when they begin. So a descriptor's reads lie between its open and
 * the open that gets the same number next, even in another thread.
 */
function timeOf(line: string): number {
  const begin = Number.parseFloat(line)
  const took = /^\S+ open/.test(line) ? /<([\d.]+)>$/.exec(line) : null
  return begin + Number(took?.[1] ?? 0)
}
