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
  if (!fs.existsSync(join(folder, 'train')) && workload.workflow.train) throw missing(workload, folder)
  const train = listSplit(workload, folder, 'train', numFilesTrain, computed.train, warnings)
  // A missing `valid` folder is an empty one (DLIO insists on it even without evaluation).
  const valid = listSplit(workload, folder, 'valid', workload.workflow.evaluation ? numFilesEval : 0, computed.valid, warnings)
  return { files: { train, valid }, warnings }
}

const generateHint = 'generate it with `dl-driver generate CONFIG` or run with --generate (++workload.workflow.generate_data=True)'

function missing(workload: Workload, folder: string): RunError {
  return new RunError(
    `Not enough training dataset is found: ${join(folder, 'train')} does not exist, ${workload.dataset.numFilesTrain} files are needed; ${generateHint}`,
    2,
  )
}

function listSplit(workload: Workload, folder: string, split: Split, wanted: number, computed: FileList, warnings: Warning[]): FileList {
  if (wanted === 0) return ListedFiles.of([])
  const names = namesOf(workload, folder, split)
  if (names.length < wanted) {
    const kind = split === 'train' ? 'training' : 'evaluation'
    throw new RunError(
      `Not enough ${kind} dataset is found: ${join(folder, split)} holds ${names.length} files ending with .${workload.dataset.format}, ${wanted} are needed; ${generateHint}`,
      2,
    )
  }
  if (names.length > wanted) {
    warnings.push({
      code: 'more-files',
      message: `Number of files for ${split === 'train' ? 'training' : 'evaluation'} in ${join(folder, split)} (${names.length}) is more than requested (${wanted}). A subset of files will be used`,
    })
    names.length = wanted
  }
  for (let i = 0; i < wanted; i++) if (computed.name(i) !== names[i]) return ListedFiles.of(names)
  return computed
}

/** Relative names in DLIO's order: flat folders by full path; subfolders by base name (upstream) or by full path (MLCommons). */
function namesOf(workload: Workload, folder: string, split: Split): string[] {
  const suffix = `.${workload.dataset.format}`
  const root = join(folder, split)
  const entries = list(root)
  const first = entries[0]
  if (first === undefined || !first.isDirectory())
    return entries
      .filter((entry) => isData(entry, suffix))
      .map((entry) => `${split}/${entry.name}`)
      .sort(byCodePoint)
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  const asked = split === 'train' ? workload.dataset.numSubfoldersTrain : workload.dataset.numSubfoldersEval
  if (folders.length !== asked)
    throw new RunError(
      `${root} holds ${folders.length} subfolders, dataset.num_subfolders_${split === 'train' ? 'train' : 'eval'} is ${asked}; set it to ${folders.length} or generate the data set again`,
      2,
    )
  const names: string[] = []
  for (const sub of folders.sort(byCodePoint))
    for (const entry of list(join(root, sub))) if (isData(entry, suffix)) names.push(`${split}/${sub}/${entry.name}`)
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
  const every = workload.dataset.listingValidationInterval
  if (every <= 0) return
  const missingFiles: string[] = []
  let checked = 0
  const { count } = files.train
  for (let i = 0; i < count; i = i === count - 1 ? count : Math.min(i + every, count - 1)) {
    checked++
    const path = join(folder, files.train.name(i))
    if (!fs.existsSync(path)) missingFiles.push(path)
  }
  if (missingFiles.length > 0)
    throw new RunError(
      `skip_listing validation failed: ${missingFiles.length} of ${checked} sampled files missing in [train]. First failures: ${missingFiles.slice(0, 3).join(', ')}`,
      2,
    )
}
