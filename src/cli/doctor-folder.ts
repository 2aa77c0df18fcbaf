// `doctor` of a folder: what file system it is on, whether we may read and write there, room for bytes and files, O_DIRECT.
import fs from 'node:fs'
import { join } from 'node:path'
import type { Workload } from '../config/workload.js'
import { recordBytes } from '../metrics/settings.js'
import { binaryBytes, grouped } from '../output/text.js'
import type { Examination, Finding } from './doctor-checks.js'

const scratchBytes = 100_000

export interface FolderExamination {
  readonly folder: string
  /** O_DIRECT is asked for, not only of interest. */
  readonly direct: boolean
  /** Nothing is written. */
  readonly readOnly: boolean
  /** Of a configuration; what it does not write need not be writable. */
  readonly workload?: Workload
}

/** Adds the checks of a folder. Never throws. */
export async function examineFolder(examination: Examination, options: FolderExamination): Promise<void> {
  const { folder, direct, readOnly, workload } = options
  const generates = workload?.workflow.generateData === true
  await examination.run('folder', [], () => lookAtFolder(folder, generates))
  await examination.run('mount', ['folder'], () => mountOf(existing(folder)))
  const writes = !readOnly && (workload === undefined || generates)
  let writable = false
  if (!readOnly)
    await examination.run('write', ['folder'], () => {
      const failure = tryWriting(existing(folder))
      writable = failure === undefined
      if (failure === undefined) return { detail: `${grouped(scratchBytes)} bytes were written, read back and deleted` }
      if (writes) return { outcome: 'failed', detail: `${failure}${generates ? '' : '; --read-only asks for reading alone'}` }
      return { outcome: 'note', detail: `${failure}; the configuration only reads here` }
    })
  await examination.run('space', ['folder'], () => space(folder, workload))
  await examination.run('O_DIRECT', ['folder'], () => tryDirect(folder, writable, direct))
}

function lookAtFolder(folder: string, generates: boolean): Finding {
  try {
    const stats = fs.statSync(folder, { throwIfNoEntry: false })
    if (stats === undefined) {
      if (generates) return { outcome: 'note', detail: `${folder} is not there yet; it will be made` }
      return { outcome: 'failed', detail: `${folder} does not exist; generate the data set, or mount the storage` }
    }
    if (!stats.isDirectory()) return { outcome: 'failed', detail: `${folder} is a file; give the folder of a data set` }
    // Only a look: there may be millions.
    const entries = fs.opendirSync(folder)
    try {
      return { detail: `${folder}, readable${entries.readSync() === null ? ', empty' : ''}` }
    } finally {
      entries.closeSync()
    }
  } catch (error) {
    return { outcome: 'failed', detail: `${folder} cannot be read: ${explained(error)}` }
  }
}

/** Writes a scratch file, reads it back and deletes it. Returns what went wrong. */
function tryWriting(place: string): string | undefined {
  const path = join(place, `.dl-driver-doctor-${process.pid}-${Date.now()}`)
  const content = Buffer.alloc(scratchBytes, 'dl-driver')
  try {
    const handle = fs.openSync(path, 'wx')
    try {
      fs.writeFileSync(handle, content)
      // Quotas and full disks are told of as late as this.
      fs.fsyncSync(handle)
    } finally {
      fs.closeSync(handle)
    }
    if (!fs.readFileSync(path).equals(content)) return 'what is read back is not what was written'
  } catch (error) {
    return `${place} cannot be written: ${explained(error)}`
  } finally {
    fs.rmSync(path, { force: true })
  }
  return undefined
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EROFS: 'the file system is mounted read-only',
  ENOSPC: 'no space is left, or no inodes',
  EDQUOT: "this user's quota is used up",
  EFBIG: 'files may not be that large (ulimit -f)',
  ESTALE: 'the server no longer knows the folder; mount it anew',
  EIO: 'the storage fails',
  ENOTCONN: 'the mounted program or server is gone',
  ENOTDIR: 'a part of the path is a file',
  ELOOP: 'its links go in circles',
}

function explained(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === undefined) return message
  const reason = reasons[code]
  return reason === undefined ? code : `${reason} (${code})`
}

const inMemory: readonly string[] = ['tmpfs', 'ramfs', 'devtmpfs']
const overNetwork = /^(?:nfs4?|cifs|smb3|smbfs|lustre|ceph|gpfs|beegfs|glusterfs|9p|virtiofs|pvfs2|orangefs|afs|fuse\..+)$/

interface Mount {
  readonly at: string
  readonly options: string
  readonly type: string
  readonly source: string
}

/** The mount that a path lies on, of the text of /proc/self/mountinfo (proc(5)): the last one of the longest that contain it. */
export function mountAt(path: string, mountinfo: string): Mount | undefined {
  const plain = (field: string) => field.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  let found: Mount | undefined
  for (const line of mountinfo.split('\n')) {
    const [left = '', right = ''] = line.split(' - ')
    const [, , , , at, options] = left.split(' ')
    const [type, source] = right.split(' ')
    if (at === undefined || type === undefined) continue
    const point = plain(at)
    const contains = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`)
    if (contains && point.length >= (found?.at.length ?? 0))
      found = { at: point, options: options ?? '', type, source: plain(source ?? '') }
  }
  return found
}

function mountOf(place: string): Finding {
  let text: string
  try {
    text = fs.readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return { outcome: 'note', detail: 'not known on this system' }
  }
  const mount = mountAt(fs.realpathSync(place), text)
  if (mount === undefined) return { outcome: 'note', detail: 'not known' }
  const { at, options, type, source } = mount
  const words = `${type} at ${at} (${source}; ${options})`
  if (inMemory.includes(type)) return { outcome: 'warning', detail: `${words}; lies in memory, which is then what is measured` }
  if (overNetwork.test(type))
    return { detail: `${words}; its files go through this machine's page cache too, --direct goes past it where O_DIRECT works` }
  return { detail: `${words}; reads go through the page cache, --direct goes past it` }
}

function space(folder: string, workload: Workload | undefined): Finding {
  const { bsize, bavail, blocks, files, ffree } = fs.statfsSync(existing(folder))
  const freeBytes = bsize * bavail
  // Some file systems make inodes as they are needed, and count none.
  const inodes = files > 0 ? `, ${grouped(ffree)} of ${grouped(files)} inodes free` : ''
  const detail = `${binaryBytes(freeBytes)} of ${binaryBytes(bsize * blocks)} free${inodes}, blocks of ${grouped(bsize)} bytes`
  if (workload?.workflow.generateData !== true) return { detail }
  const { dataset } = workload
  const count = dataset.numFilesTrain + dataset.numFilesEval
  const wantedBytes = recordBytes(dataset) * dataset.numSamplesPerFile * count
  // Files that are there already are written over, so this may still do.
  if (wantedBytes > freeBytes)
    return {
      outcome: 'warning',
      detail: `${detail}; less than the ${binaryBytes(wantedBytes)} to generate, unless much of it is there already`,
    }
  if (files > 0 && count > ffree)
    return {
      outcome: 'warning',
      detail: `${detail}; fewer inodes than the ${grouped(count)} files to generate, unless many are there already`,
    }
  return { detail: `${detail}; ${binaryBytes(wantedBytes)} in ${grouped(count)} files to generate` }
}

/** Reads one page past the page cache: of a scratch file, or where nothing may be written of a data file. */
function tryDirect(folder: string, isWritable: boolean, isNeeded: boolean): Finding {
  const place = existing(folder)
  const scratch = isWritable ? join(place, `.dl-driver-doctor-${process.pid}`) : undefined
  const path = scratch ?? anyFile(folder)
  if (path === undefined) return { outcome: 'note', detail: 'not tried: nothing was written here, and there is no file to read' }
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
    const words = code === 'EINVAL' ? `this file system refuses it (${code})` : `could not be tried: ${explained(error)}`
    return isNeeded ? { outcome: 'failed', detail: `${words}, and it is asked for` } : { outcome: 'note', detail: words }
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
    const within = join(folder, name)
    const names = fs.existsSync(within) ? fs.readdirSync(within) : []
    const file = names.find((entry) => fs.statSync(join(within, entry), { throwIfNoEntry: false })?.isFile())
    if (file !== undefined) return join(within, file)
  }
  return undefined
}
