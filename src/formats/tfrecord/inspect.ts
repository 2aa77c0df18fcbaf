// What a TFRecord file holds, for people and tests: the same walk as `verify`, with hashes.
import { createHash, type Hash } from 'node:crypto'
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { runOnPlainFiles } from '../plain-files.js'
import { SequentialSource } from '../sequential.js'
import type { Inspection } from '../types.js'
import { frameFooterBytes, frameHeaderBytes } from './layout.js'
import { checkRecord } from './records.js'

/** Most records that are listed. */
const maxListedRecords = 2 ** 20

/** @throws DataError, StorageError */
export async function inspectTfrecord(path: string): Promise<Inspection> {
  return runOnPlainFiles((port, requestBytes) => inspectFile(path, port, requestBytes))
}

function* inspectFile(path: string, port: IoPort, requestBytes: number): Io<Inspection> {
  const samples: Record<string, unknown>[] = []
  const handle = yield port.open(path)
  try {
    const source = new SequentialSource(port, requestBytes)
    source.start(path, handle)
    for (;;) {
      if (samples.length > maxListedRecords)
        throw new DataError(path, `holds more than ${maxListedRecords} records, the most that inspect lists`, source.position)
      const recordHash = createHash('sha256')
      let valueHash: Hash
      const record = yield* checkRecord(source, samples.length, {
        payload: (bytes) => {
          recordHash.update(bytes)
        },
        values: {
          begin: () => {
            valueHash = createHash('sha256')
          },
          push: (bytes, begin, end) => {
            valueHash.update(bytes.subarray(begin, end))
          },
          end: () => valueHash.digest('hex'),
        },
      })
      if (record === undefined) return { file: path, format: 'tfrecord', samples, labels: null }
      const { byteOffset, payloadBytes, features } = record
      const image = features.get('image')
      const size = features.get('size')
      const hasImage = image?.kind === 'bytes' && image.count > 0
      samples.push({
        offset: byteOffset,
        framed_length: frameHeaderBytes + payloadBytes + frameFooterBytes,
        record_length: payloadBytes,
        record_sha256: recordHash.digest('hex'),
        features: [...features.keys()].sort(),
        size_feature: size?.kind === 'int64' ? size.integers : null,
        nbytes: hasImage ? image.firstBytes : null,
        sha256: hasImage ? image.firstDigest : null,
      })
    }
  } finally {
    yield port.close(handle)
  }
}
