// The files that tf.train.Checkpoint.save makes of one variable `a` (tensorflow/core/util/tensor_bundle, a LevelDB table as the index,
// python/checkpoint/checkpoint.py for the object graph). Byte for byte, but for the numbers themselves. Pure.
import { crc32c, maskCrc } from '../formats/checksums.js'

/** DLIO starts to count anew for each save, so every save is the first. */
const saveCounter = 1
/** DataType of tensorflow/core/framework/types.proto. */
const dtype = { string: 7, int8: 6, int64: 9 } as const
/** Blocks of the index are uncompressed. */
const blockTrailerBytes = 5
const tableMagic = 0xdb4775248b80fb57n

const variableKey = (name: string) => `${name}/.ATTRIBUTES/VARIABLE_VALUE`

/** Names of the files of a save to `prefix`, for example `model_states-0.pb`. */
export function bundleNames(prefix: string): { readonly data: string; readonly index: string; readonly list: string } {
  const save = `${prefix}-${saveCounter}`
  return { data: `${save}.data-00000-of-00001`, index: `${save}.index`, list: 'checkpoint' }
}

/** What follows the variable in the data file: the counter of saves, and the graph of objects as a tensor of one string. */
export function bundleTail(): Uint8Array {
  return concat(counterBytes(), graphTensor().bytes)
}

function counterBytes(): Uint8Array {
  const bytes = new Uint8Array(8)
  bytes[0] = saveCounter
  return bytes
}

/** A tensor of one string: its length, a checksum of that, the string. */
function graphTensor(): { bytes: Uint8Array; crc: number } {
  const text = objectGraph()
  const length32 = new Uint8Array(4)
  new DataView(length32.buffer).setUint32(0, text.length, true)
  const check = fixed32(maskCrc(crc32c(length32)))
  return { bytes: concat(varint(text.length), check, text), crc: crc32c(text, crc32c(check, crc32c(length32))) }
}

/** TrackableObjectGraph: the root with its children `a` and `save_counter`, and the two variables. */
function objectGraph(): Uint8Array {
  const hasValues = field(5, concat(varintField(1, 1)))
  const child = (node: number, name: string) => field(1, concat(varintField(1, node), field(2, text(name))))
  const variable = (name: string, fullName: string) =>
    concat(field(2, concat(field(1, text('VARIABLE_VALUE')), field(2, text(fullName)), field(3, text(variableKey(name))))), hasValues)
  const nodes = [
    concat(child(1, 'a'), child(2, 'save_counter'), hasValues),
    variable('a', 'Variable'),
    variable('save_counter', 'save_counter'),
  ]
  return concat(...nodes.map((node) => field(1, node)))
}

/** The index of a save of `elements` int8 numbers whose CRC-32C is `crc`. */
export function bundleIndex(elements: number, crc: number): Uint8Array {
  const graph = graphTensor()
  const counter = counterBytes()
  const entry = (type: number, shape: Uint8Array, offset: number, size: number, sum: number) =>
    concat(
      varintField(1, type),
      field(2, shape),
      offset === 0 ? new Uint8Array(0) : varintField(4, offset),
      varintField(5, size),
      Uint8Array.of(0x35),
      fixed32(maskCrc(sum)),
    )
  const scalar = new Uint8Array(0)
  const version = field(3, varintField(1, 1))
  const entries: [string, Uint8Array][] = [
    ['', concat(varintField(1, 1), version)],
    ['_CHECKPOINTABLE_OBJECT_GRAPH', entry(dtype.string, scalar, elements + counter.length, graph.bytes.length, graph.crc)],
    [variableKey('a'), entry(dtype.int8, field(2, varintField(1, elements)), 0, elements, crc)],
    [variableKey('save_counter'), entry(dtype.int64, scalar, elements, counter.length, crc32c(counter))],
  ]
  const data = block(entries)
  const meta = block([])
  const handle = (offset: number, length: number) => concat(varint(offset), varint(length - blockTrailerBytes))
  // A short key that is not below the block's last one: its first byte, one higher.
  const index = block([['t', handle(0, data.length)]])
  const handles = concat(handle(data.length, meta.length), handle(data.length + meta.length, index.length))
  const footer = new Uint8Array(48)
  footer.set(handles)
  new DataView(footer.buffer).setBigUint64(40, tableMagic, true)
  return concat(data, meta, index, footer)
}

/** A block of a table: entries that share the beginning of their key with the one before, one restart, the kind of compression, a checksum. */
function block(entries: readonly [string, Uint8Array][]): Uint8Array {
  let before = ''
  const parts = entries.map(([key, value]) => {
    let shared = 0
    while (shared < Math.min(key.length, before.length) && key[shared] === before[shared]) shared++
    before = key
    return concat(varint(shared), varint(key.length - shared), varint(value.length), text(key.slice(shared)), value)
  })
  const content = concat(...parts, fixed32(0), fixed32(1), Uint8Array.of(0))
  return concat(content, fixed32(maskCrc(crc32c(content))))
}

/** The text file that names the latest save. */
export function checkpointList(prefix: string): Uint8Array {
  const name = `${prefix}-${saveCounter}`
  return text(`model_checkpoint_path: "${name}"\nall_model_checkpoint_paths: "${name}"\n`)
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

function concat(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** Protocol buffers and tables write numbers alike. */
function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Uint8Array.from([...bytes, left])
    bytes.push((left % 128) | 0x80)
  }
}

function varintField(number: number, value: number): Uint8Array {
  return concat(varint(number << 3), varint(value))
}

function field(number: number, content: Uint8Array): Uint8Array {
  return concat(varint((number << 3) | 2), varint(content.length), content)
}

function fixed32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}
