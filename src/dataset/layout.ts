// Where the files of a data set lie: DLIO's folders.
import { posix } from 'node:path'
import type { FormatName, Workload } from '../config/workload.js'
import { ConfigError } from '../errors.js'
import type { SideKind } from '../formats/types.js'
import { type Location, parseLocation } from '../storage/uri.js'
import { fileNamer } from './naming.js'

/** Where the data set lies. Throws ConfigError for storage that cannot be reached. */
export function dataLocation(workload: Workload): Location {
  if (workload.storage.type === 'aistore')
    throw new ConfigError("storage.storage_type: aistore is not supported; use s3 with the endpoint of AIStore's S3 gateway")
  return parseLocation(workload.dataset.folder)
}

/**
 * Folders that generation makes, parents first, relative to the data folder: `train` and `valid` always, even without files for them, and
 * subfolders where there is more than one (DLIO `DataGenerator.generate`). TFRecord has a folder of indexes for each split with files.
 */
export function dataFolders(workload: Workload): string[] {
  const { format, numFilesTrain, numFilesEval } = workload.dataset
  const folders = ['train', ...subfolders(workload, 'train'), 'valid', ...subfolders(workload, 'valid')]
  if (format !== 'tfrecord') return folders
  return [...folders, ...(numFilesTrain > 0 ? ['index/train'] : []), ...(numFilesEval > 0 ? ['index/valid'] : [])]
}

/** File n lies in subfolder n mod count, so the first `count` names tell each subfolder, whether or not there are as many files. */
function subfolders(workload: Workload, split: 'train' | 'valid'): string[] {
  const count = split === 'train' ? workload.dataset.numSubfoldersTrain : workload.dataset.numSubfoldersEval
  if (count <= 1) return []
  const name = fileNamer(workload, split)
  return Array.from({ length: count }, (_, number) => posix.dirname(name(number)))
}

/**
 * Files that belong to data file `file`, all relative to the data folder. The index of a TFRecord file lies in the folder of the file's own
 * split, where DLIO takes `valid` whenever that word occurs anywhere in the whole path (TFRecordGenerator.generate).
 */
export function sideFiles(format: FormatName, file: string): readonly { readonly kind: SideKind; readonly file: string }[] {
  if (format === 'tfrecord')
    return [{ kind: 'index', file: posix.join('index', file.slice(0, file.indexOf('/')), `${posix.basename(file)}.idx`) }]
  if (format !== 'indexed_binary' && format !== 'mmap_indexed_binary') return []
  return [
    { kind: 'offsets', file: `${file}.off.idx` },
    { kind: 'sizes', file: `${file}.sz.idx` },
  ]
}
