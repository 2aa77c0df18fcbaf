// `doctor` of this machine and of a folder on it: limits, memory, processors, O_DIRECT, MPI.
import fs from 'node:fs'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Workload } from '../config/workload.js'
import { recordBytes } from '../metrics/settings.js'
import { binaryBytes } from '../output/text.js'
import type { Check, Finding } from './doctor-checks.js'
import { Examination } from './doctor-checks.js'

/** Files that are open for other reasons than reading data. */
const ownFiles = 256
const budgetMs = 4500

export interface MachineExamination {
  /** The folder of the data, if there is one to look at. */
  readonly folder?: string
  /** O_DIRECT is asked for, not only of interest. */
  readonly direct: boolean
  readonly workload?: Workload
  readonly ranks: number
}

/** Examines this machine, and the folder. Never throws; what goes wrong is a failed check. */
export async function examineMachine({ folder, direct, workload, ranks }: MachineExamination): Promise<Check[]> {
  const examination = new Examination(budgetMs)
  await examination.run('node', [], () => ({ detail: `${process.version}, ${process.platform} ${process.arch}` }))
  await examination.run('processors', [], processors)
  await examination.run('memory', [], () => memory(workload))
  await examination.run('open files', [], () => openFiles(workload, ranks))
  await examination.run('MPI', [], mpi)
  if (folder === undefined) return examination.checks
  const generates = workload?.workflow.generateData === true
  await examination.run('folder', [], () => lookAtFolder(folder, generates))
  await examination.run('space', ['folder'], () => space(folder, workload))
  await examination.run('O_DIRECT', ['folder'], () => tryDirect(folder, direct))
  return examination.checks
}

function processors(): Finding {
  const usable = availableParallelism()
  const [quota, period] = readText('/sys/fs/cgroup/cpu.max')?.trim().split(' ') ?? []
  const limit = quota === undefined || quota === 'max' ? undefined : Number(quota) / Number(period)
  if (limit === undefined || limit >= usable) return { detail: `${usable} usable` }
  return { outcome: 'warning', detail: `${usable} usable, but this container may use ${limit.toFixed(1)} of them at once` }
}

function memory(workload: Workload | undefined): Finding {
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(readText('/proc/meminfo') ?? '')?.[1] ?? 0) * 1024 || freemem()
  const limit = Number(readText('/sys/fs/cgroup/memory.max')?.trim() || Number.NaN)
  const words = `${binaryBytes(totalmem())}, ${binaryBytes(available)} available${Number.isFinite(limit) ? `, ${binaryBytes(limit)} for this container` : ''}`
  if (workload === undefined) return { detail: words }
  const { dataset } = workload
  const dataBytes = recordBytes(dataset) * dataset.numSamplesPerFile * dataset.numFilesTrain
  const isCached = !workload.reader.odirect && !/^(s3|az|gs):/.test(dataset.folder) && dataBytes <= totalmem()
  if (!isCached) return { detail: words }
  return { outcome: 'warning', detail: `${words}; the data set (${binaryBytes(dataBytes)}) fits in, so reads may come from the page cache` }
}

/** Readers keep a file or a connection each; DLIO's upstream readers may keep more. */
function openFiles(workload: Workload | undefined, ranks: number): Finding {
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readText('/proc/self/limits') ?? '') ?? []
  if (soft === undefined) return { outcome: 'note', detail: 'the limit is not known on this system' }
  const detail = `${soft} (hard limit ${hard})`
  if (workload === undefined || soft === 'unlimited') return { detail }
  const readers = ranks * Math.max(1, workload.reader.readThreads)
  const needed = 2 * readers + ownFiles
  if (Number(soft) >= needed) return { detail: `${detail}, ${readers} readers` }
  return { outcome: 'failed', detail: `${detail}; ${readers} readers need about ${needed}: ulimit -n ${needed}` }
}

const mpiLibraries: readonly [string, RegExp][] = [
  ['Open MPI', /^libmpi\.so\.40(\.|$)/],
  ['MPICH', /^libmpi(ch)?\.so\.12(\.|$)/],
]

/** Only looks for the libraries: loading one may begin what only an MPI job can end. */
function mpi(): Finding {
  const places = [
    ...(process.env.LD_LIBRARY_PATH ?? '').split(delimiter),
    ...['/usr/lib64', '/usr/lib', '/usr/local/lib', '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu'],
    ...['/usr/lib64/openmpi/lib', '/usr/lib64/mpich/lib', '/opt/openmpi/lib', '/opt/mpich/lib'],
  ].filter((place) => place !== '')
  const found = mpiLibraries.flatMap(([name, form]) => {
    const place = places.find((folder) => namesIn(folder).some((file) => form.test(file)))
    return place === undefined ? [] : [`${name} in ${place}`]
  })
  const launcher = (process.env.PATH ?? '').split(delimiter).find((folder) => fs.existsSync(join(folder, 'mpirun')))
  const starts = launcher === undefined ? 'no mpirun in PATH' : `mpirun in ${launcher}`
  if (found.length === 0) return { outcome: 'note', detail: `no library found, ${starts}; needed only for jobs of several processes` }
  return { detail: `${found.join(', ')}; ${starts}` }
}

function lookAtFolder(folder: string, generates: boolean): Finding {
  const stats = fs.statSync(folder, { throwIfNoEntry: false })
  if (stats === undefined) {
    if (generates) return { outcome: 'note', detail: `${folder} is not there yet` }
    return { outcome: 'failed', detail: `${folder} does not exist; generate the data set, or mount the storage` }
  }
  if (!stats.isDirectory()) throw new Error(`${folder} is no folder`)
  try {
    fs.accessSync(folder, fs.constants.R_OK | fs.constants.X_OK)
  } catch {
    throw new Error(`${folder} cannot be read by this user`)
  }
  const writable = isWritable(folder)
  if (generates && !writable) throw new Error(`${folder} cannot be written by this user, and data is to be generated`)
  return { detail: `${folder}, ${writable ? 'readable and writable' : 'readable only'}` }
}

function space(folder: string, workload: Workload | undefined): Finding {
  const { bsize, bavail } = fs.statfsSync(existing(folder))
  const freeBytes = bsize * bavail
  const detail = `${binaryBytes(freeBytes)} free`
  if (workload?.workflow.generateData !== true) return { detail }
  const { dataset } = workload
  const files = dataset.numFilesTrain + dataset.numFilesEval
  const wantedBytes = recordBytes(dataset) * dataset.numSamplesPerFile * files
  if (wantedBytes <= freeBytes) return { detail: `${detail}, ${binaryBytes(wantedBytes)} to generate` }
  // Files that are there already are written over, so this may still do.
  return {
    outcome: 'warning',
    detail: `${detail}, less than the ${binaryBytes(wantedBytes)} to generate, unless much of it is there already`,
  }
}

/** Reads one page past the page cache: of a scratch file, or where nothing may be written of a data file. */
function tryDirect(folder: string, isNeeded: boolean): Finding {
  const place = existing(folder)
  const scratch = isWritable(place) ? join(place, `.dl-driver-doctor-${process.pid}`) : undefined
  const path = scratch ?? anyFile(folder)
  if (path === undefined) return { outcome: 'note', detail: 'not tried: nothing may be written here, and there is no file to read' }
  try {
    if (scratch !== undefined) fs.writeFileSync(scratch, new Uint8Array(8192), { flag: 'wx' })
    const handle = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECT)
    try {
      fs.readSync(handle, new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer), 0, 4096, 0)
    } finally {
      fs.closeSync(handle)
    }
    return { detail: 'works here (--direct, direct://, storage_type: direct_fs)' }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const words = `this file system refuses it (${code})`
    return isNeeded ? { outcome: 'failed', detail: `${words}, and the configuration asks for it` } : { outcome: 'note', detail: words }
  } finally {
    if (scratch !== undefined) fs.rmSync(scratch, { force: true })
  }
}

/** The nearest folder above that exists. */
function existing(folder: string): string {
  for (let place = folder; ; place = join(place, '..')) if (fs.existsSync(place)) return place
}

function anyFile(folder: string): string | undefined {
  for (const name of ['.', 'train', 'valid']) {
    const file = namesIn(join(folder, name)).find((entry) => fs.statSync(join(folder, name, entry), { throwIfNoEntry: false })?.isFile())
    if (file !== undefined) return join(folder, name, file)
  }
  return undefined
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder)
  } catch {
    return []
  }
}

function isWritable(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}

function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
