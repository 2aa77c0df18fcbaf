// What an .npy file holds, for people and tests.
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { runOnPlainFiles } from '../plain-files.js'
import { SampleHashes } from '../sample-hashes.js'
import { SequentialSource } from '../sequential.js'
import type { Inspection } from '../types.js'
import { type NpyHeader, parseNpyHeader } from './layout.js'

/** @throws DataError, StorageError */
export async function inspectNpy(path: string): Promise<Inspection> {
  return runOnPlainFiles((port, requestBytes) => inspectFile(path, port, requestBytes))
}

function* inspectFile(path: string, port: IoPort, requestBytes: number): Io<Inspection> {
  const handle = yield port.open(path)
  try {
    const source = new SequentialSource(port, requestBytes)
    source.start(path, handle)
    const header = yield* takeHeader(source)
    const hashes = new SampleHashes(path, header, 'the array')
    yield* source.pass(header.dataBytes, 'its data', (bytes, begin, end) => hashes.push(bytes, begin, end))
    if (source.begin < source.end || (yield* source.fill()))
      throw new DataError(path, `goes on behind its array of ${header.dataBytes} bytes`, source.position)
    return { file: path, format: 'npy', samples: hashes.finish(), labels: null }
  } finally {
    yield port.close(handle)
  }
}

/** The header at the beginning of the file, however long it is. */
function* takeHeader(source: SequentialSource): Io<NpyHeader> {
  let held = new Uint8Array(0)
  for (;;) {
    const header = parseNpyHeader(source.uri, held, 0, held.length, 0)
    if (typeof header !== 'number') return header
    const longer = new Uint8Array(header)
    longer.set(held)
    longer.set(yield* source.take(header - held.length, 'its header'), held.length)
    held = longer
  }
}
