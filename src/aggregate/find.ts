// Finds what runs left behind: folders are told by what they hold, not by their names.
import { type Dirent, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DataError, StorageError } from '../errors.js'

/** A folder with files of at least one rank, or with a summary of a run whose ranks' files are gone. */
export interface ResultFolder {
  readonly path: string
  /** Ranks with an R_output.json here, ascending. */
  readonly ranks: readonly number[]
  readonly hasSummary: boolean
  readonly hasResult: boolean
  /** The run was interrupted, or failed. */
  readonly isPartial: boolean
}

const deepest = 32
/** More entries than any tree of results has; a data set was named by mistake. */
const mostEntries = 2_000_000

/** All result folders in and below `roots`, in the order of their names. Links are not followed. Errors: StorageError, DataError. */
export function findResultFolders(roots: readonly string[]): ResultFolder[] {
  const found = new Map<string, ResultFolder>()
  let entriesSeen = 0
  const visit = (path: string, depth: number, root: string): void => {
    const entries = list(path)
    entriesSeen += entries.length
    if (entriesSeen > mostEntries)
      throw new DataError(root, `holds more than ${mostEntries} files; name the folders of results, not of data`)
    const folder = resultFolder(path, entries)
    if (folder) found.set(path, folder)
    if (depth === deepest) return
    for (const entry of entries) if (entry.isDirectory()) visit(join(path, entry.name), depth + 1, root)
  }
  for (const root of roots) visit(join(root), 0, root)
  return [...found.values()]
}

function list(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true }).sort((a, b) => byName(a.name, b.name))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new StorageError(path, 'list', code === 'ENOTDIR' ? 'it is no folder; give the folder of a run' : message, code)
  }
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function resultFolder(path: string, entries: readonly Dirent[]): ResultFolder | undefined {
  const names = new Set(entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name))
  const ranks = [...names]
    .flatMap((name) => /^(\d{1,7})_output\.json$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
  const hasSummary = names.has('summary.json')
  const hasResult = names.has('result.json')
  const isPartial = !hasResult && names.has('result.partial.json')
  if (ranks.length === 0 && !hasSummary && !hasResult && !isPartial) return undefined
  return { path, ranks, hasSummary, hasResult, isPartial }
}
