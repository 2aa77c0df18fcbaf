// Finding the files of a data set in an object store: by listing prefixes, or by computing names and looking at some of them.
import { randomInt } from 'node:crypto'
import type { Warning, Workload } from '../config/workload.js'
import { RunError } from '../errors.js'
import type { FileList, Split } from '../order/types.js'
import type { ListedObject, ObjectControl } from '../storage/object/types.js'
import { keyOf, objectUri, placeUri, rootUri } from '../storage/uri.js'
import { ListedFiles } from './file-lists.js'
import { generateHint, type Listing, notThere, orderNames, sampledFiles, settleSplit } from './listing.js'
import { computedFiles } from './naming.js'

/** HEADs in flight. */
const looksAtOnce = 32
/** Objects that `listing_validation_interval` may make us look at, at most: with millions of files a HEAD for each thousandth takes minutes. */
const mostSampled = 1000

/**
 * Finds the files in the order in which the named DLIO sees them. With `skip_listing` nothing is listed: names are computed and some objects
 * looked at (the first, the last, every n-th, and `spot_check` ones drawn at random). Throws StorageError, RunError with exit code 2.
 * @param spotCheckObjects objects to draw
 */
export async function listObjects(
  workload: Workload,
  storage: ObjectControl,
  spotCheckObjects: number,
  signal?: AbortSignal,
): Promise<Listing> {
  const files = computedFiles(workload)
  const warnings: Warning[] = []
  const { dataset, workflow } = workload
  if (dataset.skipListing) {
    await spotCheck(workload, storage, files.train, spotCheckObjects, signal)
    return { files, warnings }
  }
  const listed = async (split: Split, wanted: number) => {
    if (wanted === 0) return ListedFiles.of([])
    const root = `${rootUri(storage.place)}${split}`
    const names = await namesBelow(workload, storage, split, root, signal)
    if (names === undefined && split === 'train')
      throw new RunError(
        `Not enough training dataset is found: there are no objects below ${root}/, ${wanted} files are needed; ${generateHint}`,
        2,
      )
    return settleSplit(workload, root, split, wanted, names ?? [], files[split], warnings)
  }
  const train = await listed('train', workflow.train ? dataset.numFilesTrain : 0)
  const valid = await listed('valid', workflow.evaluation ? dataset.numFilesEval : 0)
  return { files: { train, valid }, warnings }
}

/** Names in DLIO's order; undefined where nothing lies below the prefix. Objects deeper than one subfolder are none of the data set's. */
async function namesBelow(
  workload: Workload,
  storage: ObjectControl,
  split: Split,
  root: string,
  signal: AbortSignal | undefined,
): Promise<string[] | undefined> {
  const prefix = keyOf(storage.place, `${split}/`)
  const suffix = `.${workload.dataset.format}`
  const files: string[] = []
  const folders = new Map<string, string[]>()
  let seen = 0
  for await (const page of storage.list(prefix, signal))
    for (const { key } of page) {
      // `train/` itself: some programs put an empty object in place of a folder.
      if (!key.startsWith(prefix) || key === prefix) continue
      seen++
      const parts = key.slice(prefix.length).split('/')
      if (parts.length === 1 && key.endsWith(suffix)) files.push(parts[0]!)
      if (parts.length !== 2) continue
      const inFolder = folders.get(parts[0]!) ?? []
      folders.set(parts[0]!, inFolder)
      if (key.endsWith(suffix)) inFolder.push(parts[1]!)
    }
  if (seen === 0) return undefined
  return orderNames(workload, root, split, { hasFolders: files.length === 0 && folders.size > 0, files, folders })
}

/** Looks at some of the computed names. Throws RunError that names objects which are missing or empty. */
async function spotCheck(
  workload: Workload,
  storage: ObjectControl,
  files: FileList,
  random: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { count } = files
  const every = workload.dataset.listingValidationInterval
  const chosen = new Set(sampledFiles(count, every <= 0 ? 0 : Math.max(every, Math.ceil(count / mostSampled))))
  if (random >= count) for (let i = 0; i < count; i++) chosen.add(i)
  else for (let drawn = 0; drawn < random; drawn++) chosen.add(randomInt(count))
  const bad = await lookAt(
    storage,
    [...chosen].map((i) => keyOf(storage.place, files.name(i))),
    signal,
  )
  if (bad.length > 0) throw notThere(bad, chosen.size)
}

/** URIs of the objects among `keys` that are missing, or empty. */
async function lookAt(storage: ObjectControl, keys: readonly string[], signal: AbortSignal | undefined): Promise<string[]> {
  const bad: string[] = []
  for (let from = 0; from < keys.length; from += looksAtOnce) {
    if (signal?.aborted === true) throw new RunError(`interrupted while looking at objects of ${placeUri(storage.place)}`, 130)
    const some = keys.slice(from, from + looksAtOnce)
    const found = await Promise.all(some.map((key): Promise<ListedObject | undefined> => storage.head(key)))
    for (const [i, object] of found.entries())
      if (object === undefined || object.sizeBytes === 0)
        bad.push(`${objectUri(storage.place, some[i]!)}${object === undefined ? '' : ' (empty)'}`)
  }
  return bad
}
