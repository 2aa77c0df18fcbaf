// The HDF5 library itself (h5wasm), for `inspect` of layouts that the own reader does not know. In a thread of its own with a time
// limit: what the library makes of a damaged file cannot be bounded otherwise.
import { resolve } from 'node:path'
import type { DataError } from '../../errors.js'
import { entryFile } from '../../package.js'
import { runBounded } from '../bounded-thread.js'
import type { Inspection } from '../types.js'
import { UnsupportedLayoutError } from './span.js'

/** Answer of the thread: an inspection, or why there is none. */
export type LibraryAnswer = { readonly inspection: Inspection } | { readonly failure: string }

/** Inspects with the HDF5 library what `reason` says the own reader does not know. Throws DataError with both reasons if that fails too. */
export async function inspectWithLibrary(path: string, reason: DataError): Promise<Inspection> {
  const outcome = await runBounded<LibraryAnswer>(entryFile('formats/hdf5/library-worker.js'), { path: resolve(path), file: path })
  const answer = 'answer' in outcome ? outcome.answer : outcome
  if ('inspection' in answer) return answer.inspection
  throw new UnsupportedLayoutError(
    reason.uri,
    `${reason.detail}; the HDF5 library cannot read it either: ${answer.failure}`,
    reason.byteOffset,
  )
}
