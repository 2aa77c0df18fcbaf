// What generating a data set took, as results and reports of commands hold it.
import { mergeUploads, type UploadsRecord } from '../storage/object/record.js'
import type { GenerateReport } from './generate.js'

/** The `generation` section of result.json; `generate --json` has the same fields. Files are those without indexes. */
export interface GenerationRecord {
  /** Data folder as a path or URI. */
  readonly folder: string
  /** Files that there are to be. */
  readonly filesTotal: number
  /** Complete ones that were made, and those that were there in full. */
  readonly filesWritten: number
  readonly filesKept: number
  /** In complete files. */
  readonly bytesWritten: number
  readonly wallSeconds: number
  readonly cpuSeconds: number
  readonly threads: number
  /** Of a data set in object storage: what uploading took, of unfinished objects too. */
  readonly objects?: UploadsRecord
}

export function generationRecord(report: GenerateReport): GenerationRecord {
  const { folder, filesTotal, files, skipped, bytes, seconds, cpuSeconds, threads, objects } = report
  return {
    folder,
    filesTotal,
    filesWritten: files,
    filesKept: skipped,
    bytesWritten: bytes,
    wallSeconds: seconds,
    cpuSeconds,
    threads,
    ...(objects && { objects }),
  }
}

/** One record of the processes that shared a data set. Pure. */
export function mergeGenerations(parts: readonly GenerationRecord[]): GenerationRecord {
  const total = (key: 'filesTotal' | 'filesWritten' | 'filesKept' | 'bytesWritten' | 'cpuSeconds' | 'threads') =>
    parts.reduce((sum, part) => sum + part[key], 0)
  const objects = parts.flatMap((part) => part.objects ?? [])
  return {
    folder: parts[0]!.folder,
    filesTotal: total('filesTotal'),
    filesWritten: total('filesWritten'),
    filesKept: total('filesKept'),
    bytesWritten: total('bytesWritten'),
    wallSeconds: Math.max(...parts.map(({ wallSeconds }) => wallSeconds)),
    cpuSeconds: total('cpuSeconds'),
    threads: total('threads'),
    ...(objects.length > 0 && { objects: mergeUploads(objects) }),
  }
}
