// Runs in a thread of its own: reads a file with h5wasm and posts what `inspect` wants to know.
import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import type { Dataset, Metadata } from 'h5wasm/node'
import type { ArrayInfo } from '../types.js'
import type { LibraryAnswer } from './library.js'

/** HDF5's class numbers (H5T_class_t). */
const integerClass = 0
const floatClass = 1
const enumerationClass = 8

function dtypeOf({ type, size, signed, littleEndian, enum_type }: Metadata, name: string): string {
  const order = size === 1 ? '|' : littleEndian ? '<' : '>'
  if (type === integerClass) return `${order}${signed ? 'i' : 'u'}${size}`
  if (type === floatClass) return `${order}f${size}`
  // h5py stores NumPy's bool as an enumeration of these two names.
  if (
    type === enumerationClass &&
    size === 1 &&
    Object.keys(enum_type?.members ?? {})
      .sort()
      .join() === 'FALSE,TRUE'
  )
    return '|b1'
  throw new Error(`dataset ${name} holds no numbers (HDF5 class ${type})`)
}

function bytesOf(value: unknown): Uint8Array {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  throw new Error('the library returned no array')
}

function describe(dataset: Dataset, name: string, sample: number): ArrayInfo {
  const shape = dataset.shape as number[]
  const bytes = bytesOf(dataset.slice([[sample, sample + 1], ...shape.slice(1).map((count): [number, number] => [0, count])]))
  return {
    shape: shape.slice(1),
    dtype: dtypeOf(dataset.metadata, name),
    nbytes: bytes.byteLength,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }
}

async function inspect(path: string, file: string): Promise<LibraryAnswer> {
  const { default: h5wasm } = await import('h5wasm/node')
  const { activate_throwing_error_handler } = await h5wasm.ready
  activate_throwing_error_handler()
  const hdf5 = new h5wasm.File(path, 'r')
  try {
    const records: [string, Dataset][] = []
    for (let i = 0; ; i++) {
      const name = `records_${i}`
      const entity = hdf5.get(name)
      if (!(entity instanceof h5wasm.Dataset)) break
      records.push([name, entity])
    }
    const count = records[0]?.[1].shape?.[0]
    if (count === undefined) return { failure: 'there is no dataset records_0 with an axis of samples' }
    const samples = Array.from({ length: count }, (_, sample) =>
      Object.fromEntries(records.map(([name, dataset]) => [name, describe(dataset, name, sample)])),
    )
    const labels = hdf5.get('labels')
    return { inspection: { file, format: 'hdf5', samples, labels: labels instanceof h5wasm.Dataset ? labelsOf(labels) : null } }
  } finally {
    hdf5.close()
  }
}

function labelsOf(labels: Dataset): unknown[] {
  return [labels.json_value].flat()
}

const { path, file } = workerData as { path: string; file: string }
inspect(path, file)
  .catch((error: unknown): LibraryAnswer => ({ failure: error instanceof Error ? error.message : String(error) }))
  .then((answer) => parentPort?.postMessage(answer))
