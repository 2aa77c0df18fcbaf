// The HDF5 library itself (h5wasm), for `inspect` of layouts that the own reader does not know. In a thread of its own with a time
// limit: what the library makes of a damaged file cannot be bounded otherwise.
import { resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { DataError } from '../../errors.js'
import { entryFile } from '../../package.js'
import type { Inspection } from '../types.js'
import { UnsupportedLayoutError } from './span.js'

const timeLimitMs = 60_000
const heapLimitMb = 1024

/** Answer of the thread: an inspection, or why there is none. */
export type LibraryAnswer = { readonly inspection: Inspection } | { readonly failure: string }

/** Inspects with the HDF5 library what `reason` says the own reader does not know. Throws DataError with both reasons if that fails too. */
export async function inspectWithLibrary(path: string, reason: DataError): Promise<Inspection> {
  const worker = new Worker(entryFile('formats/hdf5/library-worker.js'), {
    workerData: { path: resolve(path), file: path },
    resourceLimits: { maxOldGenerationSizeMb: heapLimitMb },
  })
  const answer = await new Promise<LibraryAnswer>((done) => {
    const timer = setTimeout(() => done({ failure: `it took longer than ${timeLimitMs / 1000} s` }), timeLimitMs)
    const finish = (result: LibraryAnswer) => {
      clearTimeout(timer)
      done(result)
    }
    worker.once('message', finish)
    worker.once('error', (error: Error) => finish({ failure: error.message }))
    worker.once('exit', (code) => finish({ failure: `it ended with code ${code}` }))
  })
  await worker.terminate()
  if ('inspection' in answer) return answer.inspection
  throw new UnsupportedLayoutError(
    reason.uri,
    `${reason.detail}; the HDF5 library cannot read it either: ${answer.failure}`,
    reason.byteOffset,
  )
}
