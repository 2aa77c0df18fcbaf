import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { scratchFolder, workloadFile } from './driver.js'
import { dropIn, dropInBin } from './drop-in.js'

/** A job of 8 tiny files and 4 steps, as `workload=tiny` of a --config-dir. */
function tiny(change: Record<string, object> = {}): string {
  const cwd = scratchFolder('drop-in', true)
  mkdirSync(join(cwd, 'conf', 'workload'), { recursive: true })
  const base: Record<string, object> = {
    model: { name: 'tiny' },
    workflow: { generate_data: true, train: true },
    dataset: { data_folder: 'data', format: 'npz', num_files_train: 8, record_length_bytes: 256 },
    reader: { batch_size: 2, read_threads: 1 },
    train: { epochs: 1, computation_time: 0.001 },
  }
  for (const [section, keys] of Object.entries(change)) base[section] = { ...base[section], ...keys }
  workloadFile(join(cwd, 'conf', 'workload'), { ...base, framework: 'pytorch' }, 'tiny.yaml')
  return cwd
}

const job = ['workload=tiny', '++hydra.run.dir=out', '--config-dir=conf']

test('a job as mlpstorage starts it: relative paths, its own subfolder, --config-dir last', async () => {
  const cwd = tiny()
  const args = ['workload=tiny', '++hydra.run.dir=res/run', '++hydra.output_subdir=dlio_config', '++workload.dataset.data_folder=data/tiny']
  const { code, stderr } = await dropIn(cwd, [...args, '--config-dir=conf'])
  assert.equal(code, 0, stderr)
  assert.deepEqual(readdirSync(join(cwd, 'res/run/dlio_config')).sort(), ['config.yaml', 'hydra.yaml', 'overrides.yaml'])
  assert.equal(
    readFileSync(join(cwd, 'res/run/dlio_config/overrides.yaml'), 'utf8'),
    '- workload=tiny\n- ++workload.dataset.data_folder=data/tiny\n',
  )
  assert.ok(existsSync(join(cwd, 'res/run/summary.json')))
  assert.ok(existsSync(join(cwd, 'data/tiny/train')))
})

test('hydra.output_subdir=null leaves out its files, and a job that only generates writes no JSON', async () => {
  const cwd = tiny({ workflow: { train: false } })
  const { code, stderr } = await dropIn(cwd, [...job, 'hydra.output_subdir=null'])
  assert.equal(code, 0, stderr)
  assert.deepEqual(readdirSync(join(cwd, 'out')), ['dlio.log'])
  assert.match(stderr, /Running DLIO \[Generating data\] with 1 process/)
})

test('output.folder goes before DLIO_OUTPUT_FOLDER, which goes before the run folder and is unknown to upstream', async () => {
  const cwd = tiny()
  const run = (args: string[], env: NodeJS.ProcessEnv) => dropIn(cwd, [...job, ...args], { DLIO_OUTPUT_FOLDER: 'fromenv', ...env })
  await run(['++workload.output.folder=given'], {})
  assert.deepEqual([existsSync(join(cwd, 'given/summary.json')), existsSync(join(cwd, 'fromenv'))], [true, false])
  await run([], { DL_DRIVER_SEMANTICS: 'upstream' })
  assert.deepEqual([existsSync(join(cwd, 'out/summary.json')), existsSync(join(cwd, 'fromenv'))], [true, false])
  await run([], {})
  assert.ok(existsSync(join(cwd, 'fromenv/summary.json')))
})

test('more training steps than the data has end with 255, before any data is made', async () => {
  const cwd = tiny()
  const { code, stderr } = await dropIn(cwd, [...job, '++workload.train.total_training_steps=5'])
  assert.equal(code, 255, stderr)
  assert.match(stderr, /^\[ERROR\] Only have enough data for 4 steps but 5 wanted/m)
  assert.match(readFileSync(join(cwd, 'out/dlio.log'), 'utf8'), /^\[ERROR\] Only have enough data/)
  assert.equal(existsSync(join(cwd, 'data')), false)
})

test('what of the environment has no effect is named, with what to give instead', async () => {
  const cwd = tiny()
  const dead = { DLIO_STORAGE_TYPE: 's3', DLIO_BUCKET: 'bucket' }
  const warnings = ({ stderr }: { stderr: string }) => stderr.match(/^\[WARNING\] (DLIO_\w+ has no effect|\.env is not read)/gm)
  const all = ['[WARNING] DLIO_STORAGE_TYPE has no effect', '[WARNING] DLIO_BUCKET has no effect']
  writeFileSync(join(cwd, '.env'), 'DLIO_OUTPUT_FOLDER=elsewhere\n')
  const unset = await dropIn(cwd, job, dead)
  assert.equal(unset.code, 0, unset.stderr)
  assert.deepEqual(warnings(unset), [...all, '[WARNING] .env is not read'])
  assert.equal(existsSync(join(cwd, 'elsewhere')), false)
  assert.deepEqual(warnings(await dropIn(cwd, [...job, '++workload.output.folder=given'], dead)), all)
  assert.equal(warnings(await dropIn(cwd, job, { ...dead, DL_DRIVER_SEMANTICS: 'upstream' })), null)
})

test('DLIO_LOG_LEVEL=error silences the log; an unknown level means warning and is named', async () => {
  const cwd = tiny()
  const quiet = await dropIn(cwd, job, { DLIO_LOG_LEVEL: 'error' })
  assert.equal(quiet.code, 0)
  assert.equal(readFileSync(join(cwd, 'out/dlio.log'), 'utf8'), '')
  const loud = await dropIn(cwd, job, { DLIO_LOG_LEVEL: 'loud' })
  assert.match(loud.stderr, /^\[WARNING\] DLIO_LOG_LEVEL=loud is no level of DLIO's; it means warning$/m)
})

test('one process can carry several ranks, and a launcher that starts one process needs no MPI library', async () => {
  const cwd = tiny()
  const launched = { OMPI_COMM_WORLD_SIZE: '1', OMPI_COMM_WORLD_RANK: '0', DL_DRIVER_MPI_LIB: '/nowhere/libmpi.so' }
  assert.equal((await dropIn(cwd, job, launched)).code, 0)
  assert.equal((await dropIn(cwd, [...job, '--ranks=2'])).code, 0)
  assert.ok(existsSync(join(cwd, 'out/1_output.json')))
  assert.equal((await dropIn(cwd, [...job, '--ranks=none'])).code, 2)
})

test('checkpoints that are not there, jobs without a workload and unsupported modes end with one clear error and 1', async () => {
  const cwd = tiny({ workflow: { generate_data: false, train: false, checkpoint: true }, checkpoint: { num_checkpoints_read: 2 } })
  const checkpoint = await dropIn(cwd, job)
  assert.equal(checkpoint.code, 1)
  assert.match(
    checkpoint.stderr,
    /^Error executing job with overrides: \['workload=tiny'\]\nerror: .*Number of checkpoints to be read: 2 is more than the number of checkpoints available: 0 /m,
  )
  const without = await dropIn(cwd, ['~workload', '++hydra.run.dir=out'])
  assert.equal(without.code, 1)
  assert.match(without.stderr, /\['~workload'\]\nerror: Key 'workload' is not in struct/)
  const multirun = await dropIn(cwd, [...job, '--multirun'])
  assert.deepEqual([multirun.code, multirun.stderr.split('\n').length], [1, 2])
})

test('quotes in an override survive in the error line as in a list of Python', async () => {
  const cwd = tiny({ workflow: { generate_data: false, train: false, checkpoint: true }, checkpoint: { num_checkpoints_read: 1 } })
  const { stderr } = await dropIn(cwd, [...job, `++workload.model.name='a b'`, `++workload.x="it's"`])
  assert.ok(stderr.includes(`['workload=tiny', "++workload.model.name='a b'", '++workload.x="it\\'s"']`), stderr)
})

test('a job whose launcher has died ends by itself, with a partial result and without a summary', async () => {
  const cwd = tiny({ train: { computation_time: 1, epochs: 30 } })
  const env = { ...process.env, OMPI_COMM_WORLD_SIZE: '1', OMPI_COMM_WORLD_RANK: '0' }
  // The shell stands for mpirun; it is killed once the job runs.
  const shell = spawn('sh', ['-c', '"$@" 3>&- & echo $! >&3; wait', 'sh', process.execPath, dropInBin, ...job], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  shell.stdout!.resume()
  // Not where the job writes, too.
  const [first] = (await once(shell.stdio[3] as Readable, 'data')) as [Buffer]
  const pid = Number(String(first))
  const log = join(cwd, 'out', 'dlio.log')
  await eventually(() => existsSync(log) && readFileSync(log, 'utf8').includes('Starting block 1'))
  shell.kill('SIGKILL')
  shell.stderr!.destroy()
  await eventually(() => !isAlive(pid))
  assert.deepEqual(
    readdirSync(join(cwd, 'out')).filter((name) => name.endsWith('.json')),
    ['result.partial.json'],
  )
})

async function eventually(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 2400, 'it did not happen within two minutes')
    await setTimeout(50)
  }
}

function isAlive(pid: number): boolean {
  try {
    // One that nobody has asked about is a zombie.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

test('--help, --version and --cfg print to standard output and make nothing', async () => {
  const cwd = tiny()
  for (const args of [['--help'], ['--hydra-help'], ['--version'], [...job, '--info'], [...job, '--cfg', 'job']]) {
    const { code, stdout, stderr } = await dropIn(cwd, args)
    assert.deepEqual([code, stderr], [0, ''], args.join(' '))
    assert.notEqual(stdout, '')
  }
  assert.deepEqual(readdirSync(cwd), ['conf'])
})

test('a run folder that cannot be made is named with the way out', async () => {
  const cwd = tiny()
  const { code, stderr } = await dropIn(cwd, ['workload=tiny', '--config-dir=conf', '++hydra.run.dir=conf/workload/tiny.yaml/out'])
  assert.equal(code, 1)
  assert.match(stderr, /choose another folder with \+\+hydra\.run\.dir=DIR/)
})
