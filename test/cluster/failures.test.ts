// Ends of jobs of several processes: one error, no summary, nobody left behind.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { bin, driver, scratchFolder, workloadFile } from '../cli/driver.js'
import { hasProgram } from '../requirements.js'
import {
  eventually,
  launchers,
  mpich,
  openMpi,
  patientOpenMpi,
  processesIn,
  processOfRank,
  runUnder,
  startUnder,
  training,
} from './mpirun.js'

/** The data of all jobs, made once. */
const dataset = { format: 'npz', record_length_bytes: 4096, num_files_train: 24 }
const dataFolder = scratchFolder('mpi-data', true)
before(async () => {
  const config = workloadFile(dataFolder, { dataset: { ...dataset, data_folder: join(dataFolder, 'data') } })
  assert.equal((await driver(['generate', config, '-q'])).code, 0)
})

/** A job that takes minutes, on a copy of the data; `train` what is different. */
function longJob(name: string, train: object = {}) {
  const folder = scratchFolder(name, true)
  cpSync(join(dataFolder, 'data'), join(folder, 'data'), { recursive: true })
  const config = workloadFile(folder, {
    framework: 'pytorch',
    workflow: { train: true },
    dataset: { ...dataset, data_folder: join(folder, 'data') },
    reader: { data_loader: 'pytorch', batch_size: 2, read_threads: 1 },
    train: { epochs: 1000, computation_time: 0.02, ...train },
  })
  const out = join(folder, 'out')
  return { folder, config, out, program: [process.execPath, bin, 'run', config, '-o', out], env: { DL_DRIVER_TEST_JOB: folder } }
}

const results = (out: string) => readdirSync(out).filter((name) => name.endsWith('.json'))

for (const launcher of launchers) {
  test(`${launcher.name}: Ctrl-C to mpirun leaves a partial result of all ranks, no summary and no process`, async (t) => {
    if (!hasProgram(t, launcher.program, '--version')) return
    const { folder, out, program, env } = longJob('mpi-interrupt')
    const job = startUnder(launcher, 2, program, { env: { ...env, ...patientOpenMpi } })
    await training(out)
    job.child.kill('SIGINT')
    const code = await job.ended
    // MPICH's launcher, once it has handed Ctrl-C on, sometimes ends before it has heard how its ranks ended, and then with 0.
    assert.ok(code !== 0 || launcher.name === 'MPICH', `mpirun ended with ${code}`)
    await eventually('all processes end', () => processesIn(folder).length === 0)
    assert.deepEqual(results(out), ['result.partial.json'])
    const partial = JSON.parse(readFileSync(join(out, 'result.partial.json'), 'utf8')) as { world: object; complete: boolean }
    assert.deepEqual(partial.world, { ranks: 2, hosts: 1 })
    assert.equal(partial.complete, false)
  })

  test(`${launcher.name}: SIGTERM to one rank interrupts all of them`, async (t) => {
    if (!hasProgram(t, launcher.program, '--version')) return
    const { folder, out, program, env } = longJob('mpi-term')
    const job = startUnder(launcher, 3, program, { env: { ...env, ...patientOpenMpi } })
    await training(out)
    process.kill(processOfRank(folder, launcher, 2), 'SIGTERM')
    assert.equal(await job.ended, 130, job.stderr())
    await eventually('all processes end', () => processesIn(folder).length === 0)
    assert.deepEqual(results(out), ['result.partial.json'])
    const partial = JSON.parse(readFileSync(join(out, 'result.partial.json'), 'utf8')) as { warnings: { code: string }[] }
    assert.ok(!partial.warnings.some(({ code }) => code === 'ranks-missing'))
  })

  test(`${launcher.name}: a rank that is killed ends the job, which names it`, async (t) => {
    if (!hasProgram(t, launcher.program, '--version')) return
    const { folder, out, program, env } = longJob('mpi-kill')
    const job = startUnder(launcher, 3, program, { env: { ...env, ...patientOpenMpi } })
    await training(out)
    process.kill(processOfRank(folder, launcher, 1), 'SIGKILL')
    assert.notEqual(await job.ended, 0)
    await eventually('all processes end', () => processesIn(folder).length === 0)
    assert.deepEqual(results(out), [])
    const stderr = job.stderr()
    if (launcher === openMpi) assert.equal(stderr.match(/^error: rank 1 on \S+ \(process \d+\) has died/gm)?.length, 1, stderr)
    // MPICH's mpiexec kills the others before they can say a word, and names the host itself.
    else assert.match(job.stdout() + stderr, /BAD TERMINATION[\s\S]*RUNNING AT \S+/)
  })

  test(`${launcher.name}: an error of one rank ends all of them, told once`, async (t) => {
    if (!hasProgram(t, launcher.program, '--version')) return
    // A long computation: the other ranks are in it, or wait at the barrier after it.
    const { folder, out, program, env } = longJob('mpi-error', { computation_time: 0.3 })
    truncateSync(join(folder, 'data', 'train', 'img_11_of_24.npz'), 1000)
    const job = startUnder(launcher, 3, program, { env })
    assert.equal(await job.ended, 1, job.stderr())
    await eventually('all processes end', () => processesIn(folder).length === 0)
    assert.equal(job.stderr().match(/^error: .*img_11_of_24\.npz/gm)?.length, 1, job.stderr())
    assert.deepEqual(results(out), [])
  })

  test(`${launcher.name}: an error that all ranks have is told once, with its exit code`, async (t) => {
    if (!hasProgram(t, launcher.program, '--version')) return
    const { folder, out, program } = longJob('mpi-no-data')
    rmSync(join(folder, 'data'), { recursive: true })
    const { code, stderr } = await runUnder(launcher, 3, program)
    assert.equal(code, 2, stderr)
    assert.equal(stderr.match(/Not enough training dataset is found/g)?.length, 1, stderr)
    assert.deepEqual(results(out), [])
    const wrong = await runUnder(launcher, 2, [...program, '++workload.reader.batch_size=none'])
    assert.equal(wrong.code, 2, wrong.stderr)
    assert.equal(wrong.stderr.match(/^command line {2}reader\.batch_size = "none"$/gm)?.length, 1, wrong.stderr)
  })
}

test('ranks notice by themselves that one of them was killed, and end without their launcher', async (t) => {
  if (!hasProgram(t, openMpi.program, '--version')) return
  const { folder, out, program, env } = longJob('mpi-survivors')
  const job = startUnder(openMpi, 3, program, { env })
  await training(out)
  // A launcher that does nothing more.
  job.child.kill('SIGSTOP')
  process.kill(processOfRank(folder, openMpi, 0), 'SIGKILL')
  await eventually('all ranks end', () => processesIn(folder).every(({ pid }) => hasEnded(pid)))
  job.child.kill('SIGCONT')
  assert.notEqual(await job.ended, 0)
  assert.equal(job.stderr().match(/^error: rank 0 on \S+ \(process \d+\) has died/gm)?.length, 1, job.stderr())
  assert.deepEqual(results(out), [])
})

test('ranks whose launcher was killed end by themselves, without a summary', async (t) => {
  if (!hasProgram(t, openMpi.program, '--version')) return
  const { folder, out, program, env } = longJob('mpi-orphans')
  const job = startUnder(openMpi, 3, program, { env })
  await training(out)
  job.child.kill('SIGKILL')
  assert.notEqual(await job.ended, 0)
  await eventually('all ranks end', () => processesIn(folder).length === 0)
  // Open MPI's library ends orphans by itself, perhaps before they have written anything.
  assert.deepEqual(
    results(out).filter((name) => name !== 'result.partial.json'),
    [],
  )
})

test('a library that is missing, no MPI library, or another launcher’s, is named with what to do', async (t) => {
  if (!hasProgram(t, openMpi.program, '--version') || !hasProgram(t, mpich.program, '--version')) return
  const { out, program } = longJob('mpi-library')
  const run = (path: string) => runUnder(mpich, 2, program, { env: { DL_DRIVER_MPI_LIB: path } })
  const missing = await run('/nowhere/libmpi.so')
  assert.equal(missing.code, 1, missing.stderr)
  assert.equal(
    missing.stderr.match(/^error: .*cannot be loaded \(\/nowhere\/libmpi\.so: .*DL_DRIVER_MPI_LIB=PATH$/gm)?.length,
    1,
    missing.stderr,
  )
  const foreign = await run('libmpi.so.40')
  assert.notEqual(foreign.code, 0)
  assert.equal(foreign.stderr.match(/^error: .*rank 0 of 2, the MPI library that it is rank 0 of 1/gm)?.length, 1, foreign.stderr)
  assert.equal(existsSync(out), false)
})

test('processes that were started with different configurations refuse to run', async (t) => {
  if (!hasProgram(t, openMpi.program, '--version')) return
  const { out, program } = longJob('mpi-different')
  const second = [...program, 'train.epochs=7']
  const { code, stderr } = await runUnder(openMpi, 1, [...program, ':', '-n', '1', ...second])
  assert.equal(code, 2, stderr)
  assert.equal(stderr.match(/^error: rank 1 on \S+ was started with another configuration than rank 0/gm)?.length, 1, stderr)
  assert.deepEqual(existsSync(out) ? results(out) : [], [])
})

/** Gone, or waiting for a launcher that does not ask. */
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return true
  }
}
