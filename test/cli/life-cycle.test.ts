// What a job does around its reading: generating alone, deleting its data, and a profiler beside it.
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { driver, scratchFolder, startDriver, workloadFile } from './driver.js'
import { dropIn } from './drop-in.js'

let count = 0
const root = scratchFolder('life-cycle', true)

interface Place {
  readonly folder: string
  readonly config: string
  readonly data: string
  readonly out: string
}

function place(sections: Record<string, object> = {}): Place {
  const folder = join(root, String(count++))
  const data = join(folder, 'data')
  const config = workloadFile(folder, {
    framework: 'pytorch',
    workflow: { generate_data: true, train: true, ...sections.workflow },
    dataset: { format: 'npz', data_folder: data, num_files_train: 6, num_files_eval: 2, record_length_bytes: 4096, ...sections.dataset },
    reader: { data_loader: 'pytorch', batch_size: 2, read_threads: 1 },
    train: { epochs: 1, computation_time: 0.001, ...sections.train },
    profiling: sections.profiling ?? {},
  })
  return { folder, config, data, out: join(folder, 'out') }
}

const run = ({ config, out }: Place, env: NodeJS.ProcessEnv = {}) => driver(['run', config, '--output', out, '--json'], { env })

test('keep_files: false deletes the data set and its folder at the end of a run, and not where data is only generated', async () => {
  const trained = place({ dataset: { keep_files: false, num_subfolders_train: 2 } })
  const ran = await run(trained)
  assert.equal(ran.code, 0, ran.stderr)
  assert.equal(existsSync(trained.data), false)
  assert.ok(existsSync(join(trained.out, 'summary.json')))
  const generated = place({ dataset: { keep_files: false }, workflow: { train: false } })
  assert.equal((await run(generated)).code, 0)
  assert.equal(readdirSync(join(generated.data, 'train')).length, 6)
})

test('keep_files: false leaves what is not of the data set, and says so', async () => {
  const mixed = place({ dataset: { keep_files: false } })
  mkdirSync(mixed.data)
  writeFileSync(join(mixed.data, 'notes.txt'), 'mine')
  const { code, stdout } = await run(mixed)
  assert.equal(code, 0)
  assert.deepEqual(readdirSync(mixed.data), ['notes.txt'])
  const { warnings } = JSON.parse(stdout) as { warnings: { code: string; message: string }[] }
  assert.match(
    warnings.find(({ code }) => code === 'keep-files')!.message,
    /data was not deleted: besides the data set it holds notes\.txt/,
  )
})

test('keep_files: false keeps the data of a run that fails', async () => {
  const failing = place({ dataset: { keep_files: false }, train: { total_training_steps: 100 } })
  assert.equal((await run(failing)).code, 2)
  assert.equal(readdirSync(join(failing.data, 'train')).length, 6)
})

test('generating without training is all there is to a job, whatever it says about evaluation, as in DLIO', async () => {
  const own = place({ workflow: { train: false, evaluation: true } })
  const { code, stderr } = await run(own)
  assert.equal(code, 0, stderr)
  assert.deepEqual(readdirSync(own.out), ['dlio.log'])
  const cwd = scratchFolder('datagen', true)
  const overrides = ['workflow.generate_data=True', 'workflow.train=False', 'dataset.record_length_bytes=1024', 'dataset.data_folder=data']
  const generated = await dropIn(cwd, ['workload=default', ...overrides.map((text) => `++workload.${text}`), '++hydra.run.dir=out'])
  assert.equal(generated.code, 0, generated.stderr)
  assert.deepEqual(readdirSync(join(cwd, 'out')), ['.hydra', 'dlio.log'])
})

test('evaluation without training has nothing to read, and says what to set', async () => {
  const own = place({ workflow: { train: false, evaluation: true, generate_data: false } })
  const { code, stderr } = await run(own)
  assert.equal(code, 2)
  assert.match(stderr, /nothing can be evaluated: DLIO lists no files where workflow\.train is false; set workflow\.train=true/)
})

/** A folder for PATH whose `iostat` writes what it was asked, and ends its report when it is interrupted. */
function fakeIostat(folder: string): string {
  const path = join(folder, 'bin')
  mkdirSync(path, { recursive: true })
  // Perl starts within milliseconds, and unlike a shell it can hear a signal that was ignored when it started.
  const script = `#!/usr/bin/perl
$| = 1;
$SIG{INT} = sub { print '],"ended":true}'; unlink "${folder}/running"; exit 0 };
print '{"arguments":["', join('","', @ARGV), '"],"reports":[';
open(my $running, '>', "${folder}/running"); close($running);
sleep 1 while 1;
`
  writeFileSync(join(path, 'iostat'), script)
  chmodSync(join(path, 'iostat'), 0o755)
  return `${path}:${process.env.PATH}`
}

test('profiling writes iostat.json of the named devices with DLIO’s options, complete before summary.json', async () => {
  // Training takes seconds, so that the fake one, which starts within milliseconds, has begun before it is told to end.
  const own = place({ workflow: { profiling: true }, train: { computation_time: 1 }, profiling: { iostat_devices: ['dm-0', 'sdz'] } })
  const { code, stderr } = await run(own, { PATH: fakeIostat(own.folder) })
  assert.equal(code, 0, stderr)
  assert.deepEqual(JSON.parse(readFileSync(join(own.out, 'iostat.json'), 'utf8')), {
    arguments: ['-mdxtcy', '-o', 'JSON', 'dm-0', 'sdz', '1'],
    reports: [],
    ended: true,
  })
  assert.match(stderr, /iostat_devices: .*sdz: no such block device/)
  assert.equal(existsSync(join(own.folder, 'running')), false)
})

test('an iostat that reported nothing leaves no report', async () => {
  const own = place({ workflow: { profiling: true } })
  const path = join(own.folder, 'bin')
  mkdirSync(path)
  writeFileSync(join(path, 'iostat'), '#!/bin/sh\necho out of order >&2\n', { mode: 0o755 })
  const { code, stdout } = await run(own, { PATH: `${path}:${process.env.PATH}` })
  assert.equal(code, 0)
  assert.equal(existsSync(join(own.out, 'iostat.json')), false)
  const { warnings } = JSON.parse(stdout) as { warnings: { code: string; message: string }[] }
  const messages = warnings.filter(({ code }) => code === 'profiling').map(({ message }) => message)
  assert.deepEqual(messages, ['iostat: out of order', 'iostat reported nothing: the run was too short'])
})

test('a run that is killed leaves no iostat behind', async () => {
  const own = place({ workflow: { profiling: true }, train: { computation_time: 1 } })
  const child = startDriver(['run', own.config, '--output', own.out], { PATH: fakeIostat(own.folder) })
  const running = join(own.folder, 'running')
  while (!existsSync(running) && child.exitCode === null) await pause(20)
  assert.ok(existsSync(running))
  child.kill('SIGKILL')
  for (let i = 0; existsSync(running) && i < 5000; i++) await pause(20)
  assert.equal(existsSync(running), false)
})

test('an iostat that is not installed, and a darshan that is not loaded, are errors before anything is generated', async () => {
  for (const [profiler, message] of [
    ['iostat', /profiler iostat, which is not installed: install sysstat, or set workflow\.profiling=false/],
    ['darshan', /please set darshan runtime library in LD_PRELOAD/],
  ] as const) {
    const own = place({ workflow: { profiling: true }, profiling: { profiler } })
    const { code, stderr } = await run(own, { PATH: own.folder, LD_PRELOAD: '' })
    assert.equal(code, 2)
    assert.match(stderr, message)
    assert.deepEqual([existsSync(own.data), existsSync(own.out)], [false, false])
  }
})

test('devices that look like options are refused', async () => {
  const own = place({ workflow: { profiling: true }, profiling: { iostat_devices: ['-k'] } })
  const { code, stderr } = await run(own)
  assert.equal(code, 2)
  assert.match(stderr, /profiling\.iostat_devices\[0\] = "-k"[\s\S]*must be the name of a block device/)
})
