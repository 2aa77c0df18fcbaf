// Names of a data set's files by DLIO's rule (data_generator, utility.get_file_path; dlio-formats.md 1.1), never held in memory.
import type { Workload } from '../config/workload.js'
import { FileMap } from '../order/file-map.js'
import type { FileList, Split } from '../order/types.js'
import type { DatasetFiles } from '../plan/types.js'

/** What names of one split are made of. */
interface Naming {
  readonly split: Split
  readonly prefix: string
  readonly format: string
  readonly count: number
  readonly subfolders: number
}

function namingOf({ dataset }: Workload, split: Split): Naming {
  const isTrain = split === 'train'
  return {
    split,
    prefix: dataset.filePrefix,
    format: dataset.format,
    count: isTrain ? dataset.numFilesTrain : dataset.numFilesEval,
    subfolders: isTrain ? dataset.numSubfoldersTrain : dataset.numSubfoldersEval,
  }
}

/** Makes a function from the number of a file (0-based, the generator's) to its path relative to the data folder, `/` between folders. */
export function fileNamer(workload: Workload, split: Split): (number: number) => string {
  const { prefix, format, count, subfolders } = namingOf(workload, split)
  const width = String(count).length
  // Of small integers; numbers out of lists of doubles would take the long way to digits that fractions take.
  const digits = (number: number): string => String(number < 2 ** 30 ? number | 0 : number)
  const ending = `_of_${count}.${format}`
  if (subfolders <= 1) return (number) => `${split}/${prefix}_${digits(number).padStart(width, '0')}${ending}`
  const folderWidth = String(subfolders).length
  return (number) => {
    const folder = digits(number % subfolders).padStart(folderWidth, '0')
    return `${split}/${folder}/${prefix}_${digits(number).padStart(width, '0')}${ending}`
  }
}

/**
 * The files that the configuration speaks of, in the order in which the named DLIO lists them (main.initialize): by number, which zero
 * padding makes the order of names; MLCommons' DLIO sorts files in subfolders by full path, so folder by folder, unless it skips listing.
 */
export function computedFiles(workload: Workload): DatasetFiles {
  return { train: computedList(workload, 'train'), valid: computedList(workload, 'valid') }
}

function computedList(workload: Workload, split: Split): FileList {
  const { count, subfolders } = namingOf(workload, split)
  const name = fileNamer(workload, split)
  if (subfolders <= 1) return { count, name }
  if (workload.semantics === 'upstream' || workload.dataset.skipListing) return { count, name, numberedSubfolders: subfolders }
  const byFolder = FileMap.byFolder(count, subfolders)
  return { count, name: (fileIndex) => name(byFolder.at(fileIndex)) }
}
