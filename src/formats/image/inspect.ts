// What an image file holds, for people and tests: the pixels as Pillow decodes them, or the raw bytes that MLCommons' DLIO writes.
import { createHash } from 'node:crypto'
import { DataError } from '../../errors.js'
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { runOnPlainFiles } from '../plain-files.js'
import { SequentialSource } from '../sequential.js'
import type { ArrayInfo, Inspection } from '../types.js'
import type { ImageCodec, ImageHeader, Pixels } from './codec.js'
import { beginsWith, type CollectedImage, collectImage } from './read.js'

type Decode = (uri: string, bytes: Uint8Array, header: ImageHeader) => Pixels | Promise<Pixels>

/** @throws DataError, StorageError */
export async function inspectImage(path: string, codec: ImageCodec, decode: Decode): Promise<Inspection> {
  const found = runOnPlainFiles((port, requestBytes) => readImage(path, codec, port, requestBytes))
  const sample = 'raw' in found ? found.raw : describe(await decode(path, found.bytes, found.header))
  return { file: path, format: codec.name, samples: [sample], labels: null }
}

type Found = CollectedImage | { readonly raw: ArrayInfo }

function* readImage(path: string, codec: ImageCodec, port: IoPort, requestBytes: number): Io<Found> {
  const handle = yield port.open(path)
  try {
    const source = new SequentialSource(port, requestBytes)
    source.start(path, handle)
    if (!(yield* source.fill())) throw new DataError(path, 'is empty: it has 0 bytes')
    if (!beginsWith(source, codec.signature)) return { raw: yield* hashRaw(source) }
    return yield* collectImage(source, codec, true)
  } finally {
    yield port.close(handle)
  }
}

function* hashRaw(source: SequentialSource): Io<ArrayInfo> {
  const hash = createHash('sha256')
  yield* source.passRest((bytes, begin, end) => {
    hash.update(bytes.subarray(begin, end))
  })
  return { shape: [source.position], dtype: '|u1', nbytes: source.position, sha256: hash.digest('hex') }
}

function describe({ shape, dtype, bytes }: Pixels): ArrayInfo {
  return { shape, dtype, nbytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}
