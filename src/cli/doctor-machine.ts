// `doctor` of this machine: limits, memory, processors, MPI; and of a folder on it.
import fs from 'node:fs'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Workload } from '../config/workload.js'
import { recordBytes } from '../metrics/settings.js'
import { binaryBytes } from '../output/text.js'
import type { Check, Finding } from './doctor-checks.js'
import { Examination } from './doctor-checks.js'
import { examineFolder } from './doctor-folder.js'

/** Files that are open for other reasons than reading data. */
const ownFiles = 256
const budgetMs = 4500

export interface MachineExamination {
  /** The folder of the data, if there is one to look at. */
  readonly folder?: string
  /** O_DIRECT is asked for, not only of interest. */
  readonly direct: boolean
  /** Nothing is written there. */
  readonly readOnly: boolean
  readonly workload?: Workload
  readonly ranks: number
}

/** Examines this machine, and the folder. Never throws; what goes wrong is a failed check. */
export async function examineMachine({ folder, direct, readOnly, workload, ranks }: MachineExamination): Promise<Check[]> {
  const examination = new Examination(budgetMs)
  await examination.run('node', [], () => ({ detail: `${process.version}, ${process.platform} ${process.arch}` }))
  await examination.run('processors', [], processors)
  await examination.run('memory', [], () => memory(workload))
  await examination.run('open files', [], () => openFiles(workload, ranks))
  await examination.run('MPI', [], mpi)
  if (folder !== undefined) await examineFolder(examination, { folder, direct, readOnly, ...(workload && { workload }) })
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

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder)
  } catch {
    return []
  }
}

function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
