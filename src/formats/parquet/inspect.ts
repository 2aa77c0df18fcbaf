// What a Parquet file holds, for people and tests: its rows, as pyarrow reads them.
import { resolve } from 'node:path'
import { DataError } from '../../errors.js'
import { entryFile } from '../../package.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { runBounded } from '../bounded-thread.js'
import { runOnPlainFiles } from '../plain-files.js'
import type { Inspection } from '../types.js'
import { ParquetReader } from './read.js'

/** Most rows that are listed. */
const maxListedRows = 65_536

/** Answer of the thread: the rows, or why there are none. */
export type InspectAnswer = { readonly samples: Inspection['samples'] } | { readonly problem: string }

/** @throws DataError, StorageError */
export async function inspectParquet(path: string): Promise<Inspection> {
  runOnPlainFiles((port, requestBytes) => checkFile(path, port, requestBytes))
  const outcome = await runBounded<InspectAnswer>(entryFile('formats/parquet/inspect-thread.js'), { path: resolve(path), maxListedRows })
  const answer = 'answer' in outcome ? outcome.answer : { problem: outcome.failure }
  if ('problem' in answer) throw new DataError(path, `cannot be decoded: ${answer.problem}`)
  return { file: path, format: 'parquet', samples: answer.samples, labels: null }
}

/** Walks all row groups and their pages; decoding comes later. */
function* checkFile(path: string, port: IoPort, requestBytes: number): Io<void> {
  const options = { extent: 'sample', requestBytes, verify: true, samplesPerFile: 0, elementType: 'uint8', keepOpen: false } as const
  const reader = new ParquetReader(port, options, () => ({ check() {}, close() {} }))
  yield* reader.walk(path)
}
