// Starting the built programs under real MPI launchers.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

export interface Launcher {
  readonly name: string
  readonly program: string
  /** One machine, more ranks than cores, perhaps root, perhaps a container. */
  readonly options: readonly string[]
  /** Variables with the rank of a process. */
  readonly rankVariable: string
}

export const openMpi: Launcher = {
  name: 'Open MPI',
  program: 'mpirun.openmpi',
  options: ['--allow-run-as-root', '--oversubscribe', '--mca', 'btl_vader_single_copy_mechanism', 'none'],
  rankVariable: 'OMPI_COMM_WORLD_RANK',
}
export const mpich: Launcher = { name: 'MPICH', program: 'mpirun.mpich', options: [], rankVariable: 'PMI_RANK' }
export const launchers: readonly Launcher[] = [openMpi, mpich]

export interface Launched {
  readonly child: ChildProcess
  /** Output so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Exit code of the launcher; −1 where a signal ended it. */
  readonly ended: Promise<number>
}

/**
 * Open MPI's mpirun kills ranks a second after it told them to end, which on a busy machine may be before they have said or written what
 * they are to leave. With this it lets them have eight; it waits them out to the end, so only those jobs get it whose ranks leave something.
 */
export const patientOpenMpi = { OMPI_MCA_odls_base_sigkill_timeout: '8' }

/** Without what an MPI launcher around the tests, or its user, may have set. */
function cleanEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(OMPI_|PMI|PMIX_|MPI_|SLURM_|DLIO_|DL_DRIVER_)/.test(name))
  return { ...Object.fromEntries(kept), NO_COLOR: '1', ...env }
}

/** Starts `program` with `ranks` processes in `cwd` and leaves it running. */
export function startUnder(
  launcher: Launcher,
  ranks: number,
  program: readonly string[],
  { cwd, env = {}, options = [] }: { cwd?: string; env?: NodeJS.ProcessEnv; options?: readonly string[] } = {},
): Launched {
  const child = spawn(launcher.program, [...launcher.options, ...options, '-n', String(ranks), ...program], {
    ...(cwd === undefined ? {} : { cwd }),
    env: cleanEnvironment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // A job that hangs fails its test instead of holding up all.
  const timer = globalThis.setTimeout(() => child.kill('SIGKILL'), 120_000)
  const ended = once(child, 'close').then(([code]) => {
    clearTimeout(timer)
    return typeof code === 'number' ? code : -1
  })
  return { child, stdout: () => stdout, stderr: () => stderr, ended }
}

/** Runs `program` to its end. */
export async function runUnder(
  launcher: Launcher,
  ranks: number,
  program: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; options?: readonly string[] } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const launched = startUnder(launcher, ranks, program, options)
  const code = await launched.ended
  return { code, stdout: launched.stdout(), stderr: launched.stderr() }
}

/** Processes that run in `cwd` (a test's own folder), by number: those of a job that is under way, or left behind. */
export function processesIn(cwd: string): { pid: number; environment: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const environment = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0')
        const isRank = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')[0]!.endsWith('node')
        return isRank && environment.includes(`DL_DRIVER_TEST_JOB=${cwd}`)
          ? [{ pid: Number(name), environment: environment.join('\n') }]
          : []
      } catch {
        // It ended while it was looked at.
        return []
      }
    })
}

/** The process of one rank of the job that was started with `DL_DRIVER_TEST_JOB=cwd`. */
export function processOfRank(cwd: string, { rankVariable }: Launcher, rank: number): number {
  const found = processesIn(cwd).find(({ environment }) => environment.split('\n').includes(`${rankVariable}=${rank}`))
  if (found === undefined) throw new Error(`no process of rank ${rank}`)
  return found.pid
}

export async function eventually(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 1200) throw new Error(`${what}: not within a minute`)
    await wait(50)
  }
}

/** Resolves once the job in `cwd` trains. */
export function training(out: string): Promise<void> {
  const log = join(out, 'dlio.log')
  return eventually('training', () => existsSync(log) && readFileSync(log, 'utf8').includes('Starting epoch 1'))
}
