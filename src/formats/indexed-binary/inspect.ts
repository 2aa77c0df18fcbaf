// What an indexed binary holds, for people and tests: every sample that its indexes name.
import { createHash } from 'node:crypto'
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { u64 } from '../little-endian.js'
import { runOnPlainFiles } from '../plain-files.js'
import { SequentialSource } from '../sequential.js'
import type { ArrayInfo, Inspection } from '../types.js'
import { checkPlace } from './index-files.js'
import { entryBytes, offsetsFile, sizesFile } from './layout.js'

/** Most samples that are listed. */
const maxListedSamples = 65_536

/** @throws DataError, StorageError */
export async function inspectIndexedBinary(path: string, format: string): Promise<Inspection> {
  return runOnPlainFiles((port, requestBytes) => inspectFile(path, format, port, requestBytes))
}

function* inspectFile(path: string, format: string, port: IoPort, requestBytes: number): Io<Inspection> {
  const offsets = yield* readIndex(offsetsFile(path), port, requestBytes)
  const sizes = yield* readIndex(sizesFile(path), port, requestBytes)
  if (offsets.length !== sizes.length)
    throw new DataError(path, `has ${offsets.length} offsets and ${sizes.length} sizes in the files beside it`)
  const handle = yield port.open(path)
  try {
    const fileBytes = yield port.size(handle)
    const allBytes = sizes.reduce((sum, size) => sum + size, 0)
    // Offsets may repeat (DLIO starts again at 0 behind its buffer), but then the file is as long as if they did not.
    if (allBytes > fileBytes)
      throw new DataError(
        path,
        `has ${fileBytes} bytes, the sizes of its samples add up to ${allBytes}: truncated, or the index is another file's`,
      )
    const source = new SequentialSource(port, requestBytes)
    const samples: ArrayInfo[] = []
    for (const [i, size] of sizes.entries()) {
      const offset = offsets[i]!
      checkPlace(path, i, { offset, size }, fileBytes)
      const hash = createHash('sha256')
      source.start(path, handle, offset, offset + size)
      yield* source.pass(size, `sample ${i}`, (bytes, begin, end) => {
        hash.update(bytes.subarray(begin, end))
      })
      samples.push({ shape: [size], dtype: '|u1', nbytes: size, sha256: hash.digest('hex') })
    }
    return { file: path, format, samples, labels: null }
  } finally {
    yield port.close(handle)
  }
}

function* readIndex(path: string, port: IoPort, requestBytes: number): Io<number[]> {
  const handle = yield port.open(path)
  try {
    const fileBytes = yield port.size(handle)
    if (fileBytes % entryBytes !== 0) throw new DataError(path, `has ${fileBytes} bytes, which are no whole numbers of ${entryBytes} bytes`)
    if (fileBytes / entryBytes > maxListedSamples)
      throw new DataError(path, `holds ${fileBytes / entryBytes} numbers; inspect lists at most ${maxListedSamples} samples`)
    const source = new SequentialSource(port, requestBytes)
    source.start(path, handle)
    const numbers: number[] = []
    while (numbers.length < fileBytes / entryBytes) numbers.push(u64(yield* source.take(entryBytes, 'an entry'), 0))
    return numbers
  } finally {
    yield port.close(handle)
  }
}
