// How fast orders are known: a shuffle of ten million samples beside NumPy's own, digests of every batch, and the first batch of a huge run.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { driver, node, root, scratch, sideBySide, writeConfig } from './lib.mjs'

const million = 1e6

/** A Python with NumPy: the one that the tests have made, else the system's; undefined without NumPy. */
function numpyPython() {
  const cache = join(root, '.cache')
  const made = existsSync(cache) ? readdirSync(cache).map((name) => join(cache, name, 'bin', 'python')) : []
  return [...made, 'python3'].find((python) => spawnSync(python, ['-c', 'import numpy']).status === 0)
}

const numpyShuffle = `
import numpy, time
items = numpy.arange(${10 * million})
random = numpy.random.RandomState(123)
begin = time.perf_counter()
random.shuffle(items)
print(time.perf_counter() - begin)`

function numpySeconds(python) {
  const { status, stdout, stderr } = spawnSync(python, ['-c', numpyShuffle], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return Number(stdout)
}

/** Wall seconds and largest memory of `dl-driver ARGS`; memory as the process itself sees it at its end. */
function measured(args) {
  const report = "data:text/javascript,process.on('exit',()=>process.stderr.write('RSS '+process.resourceUsage().maxRSS+'\\n'))"
  const { wallSeconds, stderr } = node(['--import', report, ...args])
  return { wallSeconds, maxRssMB: Number(/RSS (\d+)/.exec(stderr)[1]) / 1000 }
}

export function run({ rounds = 5 } = {}) {
  const dir = scratch('order')
  const config = (name, { loader = 'pytorch', format = 'npz', files, samples = 1, batch = 1, reader = {}, train = {} }) =>
    writeConfig(join(dir, `${name}-${files}`), {
      framework: loader,
      workflow: { train: true },
      dataset: { format, data_folder: join(dir, 'absent'), num_files_train: files, num_samples_per_file: samples },
      reader: { data_loader: loader, batch_size: batch, read_threads: 4, ...reader },
      train: { epochs: 1, ...train },
    })
  /** What plan takes for all files, less what it takes for a few. */
  const beyondStart = (name, shape, args) => {
    const seconds = (files) => node([driver, 'plan', config(name, { ...shape, files }), '--order', ...args]).wallSeconds
    const few = Math.max(1, Math.round(shape.files / million))
    return Math.max(1e-3, seconds(shape.files) - seconds(few))
  }
  const digest = (name, shape, args = []) => ({
    batchesPerSecond: (shape.files * (shape.samples ?? 1)) / shape.batch / beyondStart(name, shape, ['--digest', ...args]),
  })
  const shuffled = { loader: 'tensorflow', reader: { file_shuffle: 'seed' } }
  const records = { loader: 'tensorflow', format: 'tfrecord', samples: 1000, reader: { sample_shuffle: 'seed' } }
  const python = numpyPython()
  const shuffle = {
    'dl-driver, `plan --order` up to its first step': () => ({
      seconds: beyondStart('shuffle', { ...shuffled, files: 10 * million, train: { total_training_steps: 1 } }, [
        '--semantics',
        'upstream',
      ]),
    }),
    ...(python && { 'NumPy, `RandomState.shuffle` alone': () => ({ seconds: numpySeconds(python) }) }),
  }
  const rows = {
    '10 million samples shuffled': sideBySide(rounds, shuffle),
    '`plan --order --digest`, 10 million samples': sideBySide(rounds, {
      'PyTorch, batches of 1': () => digest('torch1', { files: 10 * million, batch: 1 }),
      'PyTorch, batches of 16': () => digest('torch16', { files: 10 * million, batch: 16 }),
      'TensorFlow generators, shuffled, batches of 16': () =>
        digest('tf16', { ...shuffled, files: 10 * million, batch: 16 }, ['--semantics', 'upstream']),
      'TFRecord, shuffled, batches of 16': () => digest('records16', { ...records, files: 10_000, batch: 16 }),
    }),
  }
  const first = config('first', { files: 50 * million, batch: 16, train: { total_training_steps: 1 } })
  rows['first batch of 50 million unshuffled files'] = sideBySide(rounds, {
    'dl-driver plan --order': () => measured([driver, 'plan', first, '--order']),
    'dl-driver --version': () => measured([driver, '--version']),
    'node -e 0': () => measured(['-e', '0']),
  })
  return { title: 'Order', rows }
}
