import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Workload } from '#src/config/workload.js'
import { temporaryPath } from '#src/dataset/complete-file.js'
import { fileDimensions } from '#src/dataset/dims.js'
import { type GenerateOptions, type GenerateProgress, type GenerateReport, runGeneration } from '#src/dataset/generate.js'
import { ConfigError, type RunError, StorageError } from '#src/errors.js'
import { getFormat } from './fake-formats.js'
import { testWorkload } from './workload.js'

const formatsModule = fileURLToPath(new URL('./fake-formats.js', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'generate-'))
after(() => rmSync(scratch, { recursive: true }))
let count = 0
const newFolder = (): string => join(scratch, String(count++))

async function generate(workload: Workload, options: Partial<GenerateOptions> = {}): Promise<GenerateReport> {
  const { report, failure } = await runGeneration(workload, { ranks: 1, threads: 2, formatsModule, ...options })
  if (failure) throw failure
  return report
}

/** Everything in a folder, folders with a slash behind them. */
function tree(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true })
  return entries.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1) + (entry.isDirectory() ? '/' : '')).sort()
}
const dataFiles = (folder: string): string[] => tree(folder).filter((name) => !name.endsWith('/'))

test('train and valid are always there, files have the names, sizes and dimensions of the plan', async () => {
  for (const semantics of ['mlcommons', 'upstream'] as const) {
    const folder = newFolder()
    const workload = testWorkload(
      { folder, numFilesTrain: 11, numSamplesPerFile: 3, recordLengthBytes: 40_000, recordLengthBytesStdev: 20_000 },
      { semantics },
    )
    const report = await generate(workload, { ranks: 3 })
    const plan = [...fileDimensions(workload, { ranks: 3 }, getFormat('npz').writer!)]
    assert.deepEqual(tree(folder), ['train/', ...plan.map(({ file }) => file), 'valid/'].sort())
    for (const { file, dims, sizeBytes } of plan) {
      const bytes = readFileSync(join(folder, file))
      assert.equal(bytes.length, sizeBytes)
      assert.ok(bytes.toString('latin1').startsWith(`dims ${dims} of uint8`))
    }
    assert.equal(report.files, 11)
    assert.equal(
      report.bytes,
      plan.reduce((sum, { sizeBytes }) => sum + sizeBytes!, 0),
    )
    assert.equal(report.skipped, 0)
    assert.equal(report.folder, folder)
  }
})

test('subfolders are all made where there is more than one, even those without a file', async () => {
  const folder = newFolder()
  await generate(testWorkload({ folder, numFilesTrain: 2, numSubfoldersTrain: 3, numFilesEval: 1, numSubfoldersEval: 1 }))
  assert.deepEqual(tree(folder), [
    'train/',
    'train/0/',
    'train/0/img_0_of_2.npz',
    'train/1/',
    'train/1/img_1_of_2.npz',
    'train/2/',
    'valid/',
    'valid/img_0_of_1.npz',
  ])
})

test('TFRecord has index files by split without subfolders, also where the path to the data contains the word valid', async () => {
  const folder = join(newFolder(), 'invalid')
  await generate(testWorkload({ folder, format: 'tfrecord', numFilesTrain: 2, numSubfoldersTrain: 2, numFilesEval: 1 }))
  assert.deepEqual(
    tree(folder).filter((name) => name.startsWith('index/')),
    [
      'index/',
      'index/train/',
      'index/train/img_0_of_2.tfrecord.idx',
      'index/train/img_1_of_2.tfrecord.idx',
      'index/valid/',
      'index/valid/img_0_of_1.tfrecord.idx',
    ],
  )
  const { size } = statSync(join(folder, 'train/1/img_1_of_2.tfrecord'))
  assert.equal(readFileSync(join(folder, 'index/train/img_1_of_2.tfrecord.idx'), 'utf8'), `0 ${size}\n`)
})

test('no index folder is made for a split without files', async () => {
  const folder = newFolder()
  await generate(testWorkload({ folder, format: 'tfrecord', numFilesTrain: 1 }))
  assert.deepEqual(
    tree(folder).filter((name) => name.endsWith('/')),
    ['index/', 'index/train/', 'train/', 'valid/'],
  )
})

test('files that were there are replaced, foreign ones stay', async () => {
  const folder = newFolder()
  mkdirSync(join(folder, 'train'), { recursive: true })
  writeFileSync(join(folder, 'train/img_0_of_1.npz'), 'old')
  writeFileSync(join(folder, 'train/img_0_of_9.npz'), 'other')
  await generate(testWorkload({ folder }))
  assert.ok(statSync(join(folder, 'train/img_0_of_1.npz')).size > 65_000)
  assert.equal(readFileSync(join(folder, 'train/img_0_of_9.npz'), 'utf8'), 'other')
})

test('resume keeps files of exactly the planned size and writes all others anew', async () => {
  const folder = newFolder()
  const workload = testWorkload({ folder, format: 'tfrecord', numFilesTrain: 5 })
  await generate(workload)
  const path = (i: number): string => join(folder, `train/img_${i}_of_5.tfrecord`)
  const before = readFileSync(path(0))
  truncateSync(path(1), 1000)
  rmSync(path(2))
  rmSync(join(folder, 'index/train/img_3_of_5.tfrecord.idx'))
  const report = await generate(workload, { resume: true })
  assert.deepEqual([report.files, report.skipped], [3, 2])
  assert.deepEqual(readFileSync(path(0)), before)
  assert.equal(statSync(path(1)).size, before.length)
  assert.equal(dataFiles(folder).length, 10)
  assert.deepEqual([(await generate(workload)).files, (await generate(workload, { resume: true })).skipped], [5, 5])
})

test('resume removes what a killed generation could not', async () => {
  const folder = newFolder()
  await generate(testWorkload({ folder }))
  const gone = spawnSync(process.execPath, ['-e', '']).pid
  writeFileSync(temporaryPath(join(folder, 'train/img_0_of_1.npz')).replace(/\d+$/, String(gone)), 'x')
  await generate(testWorkload({ folder }), { resume: true })
  assert.deepEqual(dataFiles(folder), ['train/img_0_of_1.npz'])
})

test('generating does not start libuv’s pool, whose size is for the run that may follow', () => {
  const script = `
    const { readdirSync } = require('node:fs')
    const { runGeneration } = require('#src/dataset/generate.js')
    const threads = () => readdirSync('/proc/self/task').length
    const before = threads()
    runGeneration(${JSON.stringify(testWorkload({ folder: newFolder() }))}, { ranks: 1, formatsModule: ${JSON.stringify(formatsModule)} })
      .then(() => console.log(threads() - before))`
  assert.equal(spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stdout, '0\n')
})

test('resume writes files anew whose size depends on their content, since nothing says that they are complete', async () => {
  const workload = testWorkload({ folder: newFolder(), format: 'hdf5', numFilesTrain: 2 })
  await generate(workload)
  const report = await generate(workload, { resume: true })
  assert.deepEqual([report.files, report.skipped], [2, 0])
})

/** Options of a generation by one thread that is stopped as soon as that has written something. */
function stoppedAtFirstWrite(): Partial<GenerateOptions> {
  const stop = new AbortController()
  return { threads: 1, signal: stop.signal, onProgress: ({ bytesWritten }) => bytesWritten > 0 && stop.abort() }
}

test('a generation that is stopped leaves its writers at their next write, and no file under a final name and no temporary one', async () => {
  const folder = newFolder()
  const log = join(scratch, 'endless-writers')
  process.env.ENDLESS_WRITER_LOG = log
  await assert.rejects(generate(testWorkload({ folder, format: 'npy', numFilesTrain: 5 }), stoppedAtFirstWrite()), (error: RunError) => {
    assert.equal(error.exitCode, 130)
    assert.equal(error.message, 'interrupted: 0 of 5 files are complete; --resume goes on from there')
    return true
  })
  assert.deepEqual(dataFiles(folder), [])
  assert.equal(readFileSync(log, 'utf8'), 'left\n')
})

test('a thread that does not come back when stopped is ended, and its temporary file removed', async () => {
  const folder = newFolder()
  await assert.rejects(generate(testWorkload({ folder, format: 'png', numFilesTrain: 2 }), stoppedAtFirstWrite()), /interrupted: 0 of 2/)
  assert.deepEqual(dataFiles(folder), [])
})

test('stopped before it began, nothing is touched', async () => {
  const folder = newFolder()
  await assert.rejects(generate(testWorkload({ folder }), { signal: AbortSignal.abort() }), /interrupted/)
  assert.throws(() => readdirSync(folder), /ENOENT/)
})

test('when a writer fails, complete files stay, the broken one is gone, and the error is the writer’s', async () => {
  const folder = newFolder()
  await assert.rejects(generate(testWorkload({ folder, format: 'jpeg', numFilesTrain: 9 }), { threads: 1 }), /the writer gave up/)
  assert.deepEqual(dataFiles(folder), ['train/img_0_of_9.jpeg', 'train/img_1_of_9.jpeg'])
})

test('a thread that dies without a word is an error, and its temporary file is removed', async () => {
  const folder = newFolder()
  await assert.rejects(generate(testWorkload({ folder, format: 'synthetic', numFilesTrain: 2 })), /thread ended unexpectedly \(code 7\)/)
  assert.deepEqual(dataFiles(folder), [])
})

test('a write that the system refuses is one storage error with file, reason and code, and nothing of the file stays', () => {
  // The shell limits the size of files: the same way out of write() as a full disk.
  const folder = newFolder()
  const workload = testWorkload({ folder, numFilesTrain: 4, recordDims: [1 << 20] })
  const script = `
    import('#src/dataset/generate.js')
      .then(({ runGeneration }) => runGeneration(${JSON.stringify(workload)}, { ranks: 1, threads: 2, formatsModule: ${JSON.stringify(formatsModule)} }))
      .then(({ failure: error }) => console.log(JSON.stringify({ name: error.name, message: error.message, exitCode: error.exitCode })))`
  const shell = `trap '' XFSZ; ulimit -f 256; exec "$0" -e "$1"`
  const { stdout, stderr } = spawnSync('sh', ['-c', shell, process.execPath, script], { encoding: 'utf8' })
  assert.match(
    stdout,
    /"name":"StorageError","message":"[^"]*\/train\/img_\d_of_4\.npz: cannot write: file too large \(EFBIG\)","exitCode":1/,
    stderr,
  )
  assert.deepEqual(dataFiles(folder), [])
})

test('a folder that cannot be made and a name that is taken by a folder are storage errors that name the path', async () => {
  const folder = newFolder()
  mkdirSync(join(folder, 'train/img_0_of_1.npz'), { recursive: true })
  await assert.rejects(
    generate(testWorkload({ folder })),
    (error: StorageError) =>
      error instanceof StorageError &&
      /img_0_of_1\.npz: cannot rename the finished file to: .*\((EISDIR|ENOTEMPTY|EEXIST)\)/.test(error.message),
  )
  assert.deepEqual(dataFiles(folder), [])
  const blocked = newFolder()
  writeFileSync(blocked, '')
  await assert.rejects(
    generate(testWorkload({ folder: blocked })),
    (error: StorageError) => error.message === `${blocked}/train: cannot create folder: not a directory (ENOTDIR)` && error.exitCode === 1,
  )
})

test('what cannot be generated is refused before anything is touched', async () => {
  const folder = newFolder()
  const refused = (workload: Workload, message: RegExp) =>
    assert.rejects(generate(workload), (error: ConfigError) => error instanceof ConfigError && message.test(error.message))
  await refused(testWorkload({ folder: 's3://' }), /s3:\/\/: names no bucket; write s3:\/\/bucket\/prefix/)
  await refused(testWorkload({ folder, format: 'parquet' }), /dataset\.format: cannot generate 'parquet' files/)
  await refused(testWorkload({ folder, recordElementType: 'complex64' }), /cannot generate elements of type 'complex64'/)
  assert.throws(() => readdirSync(folder), /ENOENT/)
})

test('file:// and direct:// folders are paths', async () => {
  for (const scheme of ['file', 'direct']) {
    const folder = newFolder()
    assert.equal((await generate(testWorkload({ folder: `${scheme}://${folder}` }))).folder, folder)
    assert.equal(dataFiles(folder).length, 1)
  }
})

test('the last progress says what the report says', async () => {
  let last: GenerateProgress | undefined
  const report = await generate(testWorkload({ folder: newFolder(), numFilesTrain: 3 }), { onProgress: (progress) => (last = progress) })
  assert.equal(last!.filesTotal, 3)
  assert.equal(last!.filesWritten, 3)
  assert.equal(last!.bytesPerFile, 64 + 65_536)
  assert.equal(report.bytes, 3 * (64 + 65_536))
})

test('a temporary name lies in the same folder and ends in no format’s name, which is all that DLIO looks at', () => {
  for (const format of [
    'tfrecord',
    'hdf5',
    'csv',
    'npz',
    'npy',
    'jpeg',
    'png',
    'indexed_binary',
    'mmap_indexed_binary',
    'synthetic',
    'parquet',
  ]) {
    const name = temporaryPath(`/data/train/img_0_of_1.${format}`)
    assert.match(name, /^\/data\/train\/\.img_0_of_1\./)
    assert.doesNotMatch(name, /(tfrecord|hdf5|csv|npz|npy|jpeg|png|binary|synthetic|parquet)$/)
  }
})
