// tf.data's `list_files` sorts whatever it is given by full path. Lists are in that order already, except where files lie in subfolders
// and the list follows their numbers or base names.
import type { FileList } from './types.js'

/** Sorts file indices by the paths of the files. `inPathOrder`: the list itself is in that order. */
export function sortByPath(indices: Uint32Array, files: FileList, inPathOrder: boolean): void {
  if (inPathOrder) indices.sort()
  else if (files.numberedSubfolders !== undefined) sortByFolder(indices, files.count, files.numberedSubfolders)
  else sortByName(indices, files)
}

/** By (folder, number) packed into one exact double, so that the sort needs no comparison function. */
function sortByFolder(indices: Uint32Array, count: number, folders: number): void {
  const keys = Float64Array.from(indices, (i) => (i % folders) * count + i).sort()
  for (let k = 0; k < keys.length; k++) indices[k] = keys[k]! % count
}

function sortByName(indices: Uint32Array, files: FileList): void {
  const names = new Map<number, string>()
  for (const i of indices) names.set(i, files.name(i))
  indices.sort((a, b) => (names.get(a)! < names.get(b)! ? -1 : 1))
}
