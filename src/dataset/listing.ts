// Finding the files of a data set, in the order in which the named DLIO sees them (sample-order.md 2.1, DLIO main.initialize).
import fs from 'node:fs'
import { join } from 'node:path'
import type { Warning, Workload } from '../config/workload.js'
import { RunError, StorageError } from '../errors.js'
import type { FileList, Split } from '../order/types.js'
import type { DatasetFiles } from '../plan/types.js'
import { ListedFiles } from './file-lists.js'
import { computedFiles } from './naming.js'

export interface Listing {
  readonly files: DatasetFiles
  readonly warnings: readonly Warning[]
}

/**
 * Lists the data folder. The computed names are used where they are exactly what is there, so that huge sets stay lazy.
 * Throws StorageError (missing folder, no permission), RunError with exit code 2 (too few files, wrong subfolders).
 */
export function listDataset(workload: Workload, folder: string): Listing {
  const computed = computedFiles(workload)
  const warnings: Warning[] = []
  if (workload.dataset.skipListing) {
    spotCheck(workload, folder, computed)
    return { files: computed, warnings }
  }
  const { numFilesTrain, numFilesEval } = workload.dataset
  if (!fs.existsSync(join(folder, 'train')) && workload.workflow.train) throw missing(workload, join(folder, 'train'))
  const train = listSplit(workload, folder, 'train', numFilesTrain, computed.train, warnings)
  // A missing `valid` folder is an empty one (DLIO insists on it even without evaluation).
  const valid = listSplit(workload, folder, 'valid', workload.workflow.evaluation ? numFilesEval : 0, computed.valid, warnings)
  return { files: { train, valid }, warnings }
}

export const generateHint = 'generate it with `dl-driver generate CONFIG` or run with --generate (++workload.workflow.generate_data=True)'

function missing(workload: Workload, root: string): RunError {
  return new RunError(
    `Not enough training dataset is found: ${root} does not exist, ${workload.dataset.numFilesTrain} files are needed; ${generateHint}`,
    2,
  )
}

function listSplit(workload: Workload, folder: string, split: Split, wanted: number, computed: FileList, warnings: Warning[]): FileList {
  if (wanted === 0) return ListedFiles.of([])
  return settleSplit(workload, join(folder, split), split, wanted, namesOf(workload, folder, split), computed, warnings)
}

/**
 * The files of one split out of the names that were found in DLIO's order: as many as are wanted. Throws RunError where there are fewer.
 * @param root path or URI of the split's folder
 */
export function settleSplit(
  workload: Workload,
  root: string,
  split: Split,
  wanted: number,
  names: string[],
  computed: FileList,
  warnings: Warning[],
): FileList {
  if (names.length < wanted) {
    const kind = split === 'train' ? 'training' : 'evaluation'
    throw new RunError(
      `Not enough ${kind} dataset is found: ${root} holds ${names.length} files ending with .${workload.dataset.format}, ${wanted} are needed; ${generateHint}`,
      2,
    )
  }
  if (names.length > wanted) {
    warnings.push({
      code: 'more-files',
      message: `Number of files for ${split === 'train' ? 'training' : 'evaluation'} in ${root} (${names.length}) is more than requested (${wanted}). A subset of files will be used`,
    })
    names.length = wanted
  }
  for (let i = 0; i < wanted; i++) if (computed.name(i) !== names[i]) return ListedFiles.of(names)
  return computed
}

/** What lies below the folder of a split. */
export interface Found {
  /** Whether it holds folders, and not files. */
  readonly hasFolders: boolean
  /** Names of data files directly below. */
  readonly files: readonly string[]
  /** Names of data files of each subfolder. */
  readonly folders: ReadonlyMap<string, readonly string[]>
}

function namesOf(workload: Workload, folder: string, split: Split): string[] {
  const suffix = `.${workload.dataset.format}`
  const root = join(folder, split)
  const entries = list(root)
  const data = (some: readonly fs.Dirent[]) => some.filter((entry) => isData(entry, suffix)).map((entry) => entry.name)
  if (entries[0]?.isDirectory() !== true)
    return orderNames(workload, root, split, { hasFolders: false, files: data(entries), folders: new Map() })
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  checkFolders(workload, root, split, folders.length)
  return orderNames(workload, root, split, {
    hasFolders: true,
    files: [],
    folders: new Map(folders.map((name) => [name, data(list(join(root, name)))])),
  })
}

function checkFolders(workload: Workload, root: string, split: Split, count: number): void {
  const asked = split === 'train' ? workload.dataset.numSubfoldersTrain : workload.dataset.numSubfoldersEval
  if (count !== asked)
    throw new RunError(
      `${root} holds ${count} subfolders, dataset.num_subfolders_${split === 'train' ? 'train' : 'eval'} is ${asked}; set it to ${count} or generate the data set again`,
      2,
    )
}

/** Relative names in DLIO's order: flat folders by full path; subfolders by base name (upstream) or by full path (MLCommons). */
export function orderNames(workload: Workload, root: string, split: Split, found: Found): string[] {
  if (!found.hasFolders) return found.files.map((name) => `${split}/${name}`).sort(byCodePoint)
  checkFolders(workload, root, split, found.folders.size)
  const names = [...found.folders.keys()]
    .sort(byCodePoint)
    .flatMap((sub) => found.folders.get(sub)!.map((name) => `${split}/${sub}/${name}`))
  if (workload.semantics === 'mlcommons') return names.sort(byCodePoint)
  const base = (name: string) => name.slice(name.lastIndexOf('/') + 1)
  return names.sort((a, b) => byCodePoint(base(a), base(b)))
}

/** Files of the format. No pipes and devices: opening one would wait for ever. */
function isData(entry: fs.Dirent, suffix: string): boolean {
  return entry.name.endsWith(suffix) && (entry.isFile() || entry.isSymbolicLink())
}

function list(path: string): fs.Dirent[] {
  try {
    return fs.readdirSync(path, { withFileTypes: true })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    throw new StorageError(path, 'list', code === 'EACCES' ? 'permission denied' : message, code)
  }
}

/** Python compares strings by code point; JavaScript's default compares UTF-16 units, which is the same below U+D800. */
function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** With `skip_listing` names are computed; the first, the last and every n-th file must exist. */
function spotCheck(workload: Workload, folder: string, files: DatasetFiles): void {
  const sampled = sampledFiles(files.train.count, workload.dataset.listingValidationInterval)
  const missingFiles = sampled.map((i) => join(folder, files.train.name(i))).filter((path) => !fs.existsSync(path))
  if (missingFiles.length > 0) throw notThere(missingFiles, sampled.length)
}

/** Numbers of the files that `listing_validation_interval` asks for: the first, the last and every `every`-th; none for 0. */
export function sampledFiles(count: number, every: number): number[] {
  if (every <= 0 || count === 0) return []
  const sampled = Array.from({ length: Math.ceil(count / every) }, (_, i) => i * every)
  return sampled.at(-1) === count - 1 ? sampled : [...sampled, count - 1]
}

/** The error, in the words of MLCommons’ DLIO, of a data set that is not listed but sampled: `checked` files were looked for. */
export function notThere(missingFiles: readonly string[], checked: number): RunError {
  return new RunError(
    `skip_listing validation failed: ${missingFiles.length} of ${checked} sampled files missing in [train]. First failures: ${missingFiles.slice(0, 3).join(', ')}`,
    2,
  )
}
