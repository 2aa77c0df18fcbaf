// What an .npz file holds, for people and tests: the same walk as `verify`, with hashes.
import type { IoPort } from '../../storage/io.js'
import type { Io } from '../../storage/types.js'
import { inflaterOnDemand } from '../inflate.js'
import type { NpyHeader } from '../npy/layout.js'
import { runOnPlainFiles } from '../plain-files.js'
import { maxListedSamples, SampleHashes } from '../sample-hashes.js'
import { SequentialSource } from '../sequential.js'
import type { Inspection } from '../types.js'
import { labelsMember, samplesArray, samplesMember } from './members.js'
import { walkArchive } from './walk.js'

/** @throws DataError, StorageError */
export async function inspectNpz(path: string): Promise<Inspection> {
  return runOnPlainFiles((port, requestBytes) => inspectFile(path, port, requestBytes))
}

function* inspectFile(path: string, port: IoPort, requestBytes: number): Io<Inspection> {
  const source = new SequentialSource(port, requestBytes)
  let samples: SampleHashes | undefined
  let labels: LabelValues | undefined
  const handle = yield port.open(path)
  try {
    source.start(path, handle)
    const visitor = {
      decode: true,
      array(name: string, header: NpyHeader) {
        if (name === samplesMember) samples = new SampleHashes(path, header, samplesArray)
        if (name === labelsMember && header.shape.length === 1 && header.elements <= maxListedSamples) labels = new LabelValues(header)
      },
      data(name: string, bytes: Uint8Array, begin: number, end: number) {
        if (name === samplesMember) samples!.push(bytes, begin, end)
        if (name === labelsMember) labels?.push(bytes, begin, end)
      },
    }
    yield* walkArchive(source, visitor, inflaterOnDemand())
  } finally {
    yield port.close(handle)
  }
  const infos = samples!.finish()
  return { file: path, format: 'npz', samples: infos, labels: labels?.count === infos.length ? labels.values() : null }
}

/** The labels as values that JSON can carry; integers beyond 2^53 and floats that are not finite as text. */
class LabelValues {
  readonly count: number
  readonly #bytes: Uint8Array
  #filled = 0

  constructor(private readonly header: NpyHeader) {
    this.count = header.elements
    this.#bytes = new Uint8Array(header.dataBytes)
  }

  push(bytes: Uint8Array, begin: number, end: number): void {
    this.#bytes.set(bytes.subarray(begin, end), this.#filled)
    this.#filled += end - begin
  }

  values(): unknown[] {
    const { kind, itemBytes, bigEndian } = this.header.type
    const view = new DataView(this.#bytes.buffer)
    return Array.from({ length: this.count }, (_, i) => {
      const at = i * itemBytes
      const little = !bigEndian
      if (kind === 'b') return view.getUint8(at) !== 0
      if (kind === 'f' && itemBytes > 2) {
        const value = itemBytes === 4 ? view.getFloat32(at, little) : view.getFloat64(at, little)
        return Number.isFinite(value) ? value : String(value)
      }
      if (kind === 'f' || kind === 'c') return Buffer.from(this.#bytes.buffer, at, itemBytes).toString('hex')
      const integer =
        itemBytes === 8
          ? kind === 'i'
            ? view.getBigInt64(at, little)
            : view.getBigUint64(at, little)
          : readInteger(view, at, kind, itemBytes, little)
      return typeof integer === 'number' ? integer : Number.isSafeInteger(Number(integer)) ? Number(integer) : String(integer)
    })
  }
}

function readInteger(view: DataView, at: number, kind: string, itemBytes: number, little: boolean): number {
  if (itemBytes === 1) return kind === 'i' ? view.getInt8(at) : view.getUint8(at)
  if (itemBytes === 2) return kind === 'i' ? view.getInt16(at, little) : view.getUint16(at, little)
  return kind === 'i' ? view.getInt32(at, little) : view.getUint32(at, little)
}
