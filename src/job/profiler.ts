// What `workflow.profiling` starts beside a run (DLIO profiler/iostat_profiler.py): iostat, whose report goes to iostat.json.
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, closeSync, constants, existsSync, openSync, rmSync, statSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Warning, Workload } from '../config/workload.js'
import { ConfigError, StorageError } from '../errors.js'

/** Name of iostat's report in the output folder. */
const iostatFile = 'iostat.json'

/** -m MB, -d and -x extended device report, -t times, -c CPU, -y without the report since boot, one report a second: what DLIO passes. */
const iostatOptions = ['-mdxtcy', '-o', 'JSON'] as const

export interface Profiler {
  /** Ends the profiler and waits for its report to be complete. Can be called twice. */
  stop(): Promise<Warning[]>
}

/** Checks that the profiler of a workload can be started. Throws ConfigError. */
export function checkProfiler({ workflow, profiling }: Workload, env: NodeJS.ProcessEnv): void {
  if (!workflow.profiling) return
  if (profiling.profiler === 'iostat' && findIostat(env) === undefined)
    throw new ConfigError(
      'workflow.profiling is on with profiler iostat, which is not installed: install sysstat, or set workflow.profiling=false (or profiling.profiler=none)',
    )
  if (profiling.profiler === 'darshan' && !(env.LD_PRELOAD ?? '').includes('libdarshan'))
    throw new ConfigError(
      'workflow.profiling is on with profiler darshan: please set darshan runtime library in LD_PRELOAD, or set workflow.profiling=false',
    )
}

/** What the profiler of a workload cannot do here. */
export function profilerWarnings({ workflow, profiling }: Workload): Warning[] {
  if (!workflow.profiling) return []
  const warn = (message: string): Warning[] => [{ code: 'profiling', message }]
  if (profiling.profiler === 'tensorboard')
    return warn('profiling.profiler: tensorboard profiles TensorFlow, which does not run here; nothing is profiled')
  if (profiling.profiler === 'darshan')
    return warn('profiling.profiler: darshan records this process from its start; its own variables (DARSHAN_LOGFILE) say where')
  if (profiling.profiler !== 'iostat' || !existsSync('/sys/class/block')) return []
  const missing = profiling.iostatDevices.filter((device) => !existsSync(join('/sys/class/block', basename(device))))
  return missing.length === 0
    ? []
    : warn(`profiling.iostat_devices: ${missing.join(', ')}: no such block device on this host; iostat says nothing about it`)
}

/** Starts the profiler of a workload; one that does nothing where there is none. Throws StorageError where its report cannot be written. */
export async function startProfiler({ workflow, profiling }: Workload, outputFolder: string): Promise<Profiler> {
  if (!workflow.profiling || profiling.profiler !== 'iostat') return { stop: async () => [] }
  return startIostat(outputFolder, profiling.iostatDevices)
}

/**
 * iostat ends its report only when it is interrupted. The shell does that when its standard input closes, which the kernel sees to even where this
 * process is killed: no iostat is left behind. It tells iostat's process on descriptor 3.
 */
const watchedIostat = 'iostat "$@" 3>&- & child=$!; echo $child >&3; exec 3>&-; read -r _; kill -INT $child 2>&-; wait $child'

/** How long an interrupted iostat may take to end its report. */
const patienceMs = 5000

async function startIostat(outputFolder: string, devices: readonly string[]): Promise<Profiler> {
  const path = join(outputFolder, iostatFile)
  const report = openReport(path)
  let child: ChildProcess
  try {
    child = spawn('sh', ['-c', watchedIostat, 'iostat', ...iostatOptions, ...devices, '1'], { stdio: ['pipe', report, 'pipe', 'pipe'] })
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
  } finally {
    closeSync(report)
  }
  let complaint = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-500)
  })
  let iostatId = Number.NaN
  ;(child.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => {
    iostatId = Number(text)
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  // It is told to end by closing its input; where it has ended by itself, nobody reads that.
  child.stdin!.on('error', () => {})
  return {
    stop: async () => {
      child.stdin!.end()
      const deadline = setTimeout(() => killProcess(iostatId), patienceMs)
      await ended
      clearTimeout(deadline)
      const warnings = complaint === '' ? [] : [{ code: 'profiling', message: `iostat: ${complaint.trim()}` }]
      return removeIfEmpty(path)
        ? [...warnings, { code: 'profiling', message: 'iostat reported nothing: the run was too short' }]
        : warnings
    },
  }
}

/** Of an iostat that was ended before it began; what is empty is no JSON. */
function removeIfEmpty(path: string): boolean {
  const isEmpty = statSync(path, { throwIfNoEntry: false })?.size === 0
  if (isEmpty) rmSync(path)
  return isEmpty
}

function killProcess(id: number): void {
  try {
    if (Number.isSafeInteger(id)) process.kill(id, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function openReport(path: string): number {
  try {
    return openSync(path, 'w')
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    throw new StorageError(path, 'write', message, code)
  }
}

function findIostat({ PATH = '' }: NodeJS.ProcessEnv): string | undefined {
  return PATH.split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'iostat'))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}
