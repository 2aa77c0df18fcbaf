// The Arrow schema that pyarrow keeps in a Parquet file, from which it knows that lists have a fixed length. A FlatBuffers message, in base64.
// Source: Arrow columnar format, `Schema.fbs`, `Message.fbs`; FlatBuffers "Internals".
import { type Column, physical } from './columns.js'

/** Writes FlatBuffers from their end to their beginning, as offsets point forward. Positions are counted from the end. */
class Builder {
  #bytes = new Uint8Array(1024)
  #used = 0

  get position(): number {
    return this.#used
  }

  /** Makes room so that what follows, of `byteLength` bytes, begins at a multiple of `alignment`. */
  align(alignment: number, byteLength = 0): void {
    while ((this.#used + byteLength) % alignment !== 0) this.put(1, 0)
  }

  put(byteLength: 1 | 2 | 4, value: number): void {
    if (this.#used + 8 > this.#bytes.length) {
      const longer = new Uint8Array(2 * this.#bytes.length)
      longer.set(this.#bytes, this.#bytes.length)
      this.#bytes = longer
    }
    this.#used += byteLength
    const view = new DataView(this.#bytes.buffer, this.#bytes.length - this.#used, byteLength)
    if (byteLength === 1) view.setUint8(0, value)
    else if (byteLength === 2) view.setInt16(0, value, true)
    else view.setInt32(0, value, true)
  }

  /** An offset to what was written at `position`. */
  offset(position: number): void {
    this.align(4, 4)
    this.put(4, this.#used + 4 - position)
  }

  text(value: string): number {
    const bytes = Buffer.from(value, 'utf8')
    this.align(4, bytes.length + 1)
    this.put(1, 0)
    for (let i = bytes.length - 1; i >= 0; i--) this.put(1, bytes[i]!)
    this.put(4, bytes.length)
    return this.#used
  }

  /** A vector of offsets. */
  vector(positions: readonly number[]): number {
    this.align(4)
    for (let i = positions.length - 1; i >= 0; i--) this.offset(positions[i]!)
    this.put(4, positions.length)
    return this.#used
  }

  /** A table of fields by number: scalars of a width, or offsets. Each table has a vtable of its own, right before it. */
  table(fields: readonly (readonly [field: number, byteLength: 1 | 2 | 4 | 'offset', value: number])[]): number {
    this.align(4)
    const end = this.#used
    const places = new Map<number, number>()
    // The widest first, so that all are aligned.
    const width = (byteLength: 1 | 2 | 4 | 'offset') => (byteLength === 'offset' ? 4 : byteLength)
    for (const [field, byteLength, value] of [...fields].sort((a, b) => width(a[1]) - width(b[1]))) {
      this.align(width(byteLength), width(byteLength))
      if (byteLength === 'offset') this.offset(value)
      else this.put(byteLength, value)
      places.set(field, this.#used)
    }
    this.align(4)
    const count = Math.max(-1, ...places.keys()) + 1
    const vtableBytes = 4 + 2 * count
    // The table begins with the distance back to its vtable.
    this.put(4, vtableBytes + (vtableBytes % 4))
    const begin = this.#used
    if (vtableBytes % 4 !== 0) this.put(2, 0)
    for (let field = count - 1; field >= 0; field--) {
      const place = places.get(field)
      this.put(2, place === undefined ? 0 : begin - place)
    }
    this.put(2, begin - end)
    this.put(2, vtableBytes)
    return begin
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(this.#bytes.length - this.#used)
  }
}

/** Members of the union `Type` (Schema.fbs). */
const types = { int: 2, floatingPoint: 3, binary: 4, utf8: 5, bool: 6, fixedSizeList: 16 } as const
const schemaMessage = 1
const metadataV5 = 4

/** The value of the key `ARROW:schema`. */
export function arrowSchema(columns: readonly Column[]): string {
  const builder = new Builder()
  const fields = builder.vector(columns.map((column) => putColumn(builder, column)))
  const schema = builder.table([[1, 'offset', fields]])
  const message = builder.table([
    [0, 2, metadataV5],
    [1, 1, schemaMessage],
    [2, 'offset', schema],
  ])
  builder.align(8, 4)
  builder.offset(message)
  const body = builder.bytes()
  const framed = new Uint8Array(8 + body.length)
  const view = new DataView(framed.buffer)
  view.setInt32(0, -1, true) // an encapsulated message: a continuation mark, then its length
  view.setInt32(4, body.length, true)
  framed.set(body, 8)
  return Buffer.from(framed).toString('base64')
}

function putColumn(builder: Builder, column: Column): number {
  if (column.listSize === undefined) return putField(builder, column.name, ...putLeafType(builder, column), [])
  const element = putField(builder, 'element', ...putLeafType(builder, column), [])
  return putField(builder, column.name, types.fixedSizeList, builder.table([[0, 4, column.listSize]]), [element])
}

function putField(builder: Builder, name: string, typeKind: number, type: number, children: readonly number[]): number {
  const childVector = builder.vector(children)
  const nameText = builder.text(name)
  return builder.table([
    [0, 'offset', nameText],
    [1, 1, 1], // nullable
    [2, 1, typeKind],
    [3, 'offset', type],
    [5, 'offset', childVector],
  ])
}

function putLeafType(builder: Builder, { physicalType, storage, annotations }: Column): [kind: number, type: number] {
  if (storage.kind === 'bits') return [types.bool, builder.table([])]
  if (storage.kind === 'text') return [types.utf8, builder.table([])]
  if (storage.kind === 'bytes') return [types.binary, builder.table([])]
  const precision = { [physical.fixedBytes]: 0, [physical.float]: 1, [physical.double]: 2 }[physicalType]
  if (precision !== undefined) return [types.floatingPoint, builder.table([[0, 2, precision]])]
  const [bits, signed] = integerOf(physicalType, annotations)
  return [
    types.int,
    builder.table([
      [0, 4, bits],
      [1, 1, signed ? 1 : 0],
    ]),
  ]
}

/** Width and sign, from the annotation where there is one. */
function integerOf(physicalType: number, annotations: Column['annotations']): [bits: number, signed: boolean] {
  for (const [field, type, value] of annotations) {
    if (field !== 10 || type !== 'struct') continue
    const inner = value[0]
    if (inner?.[1] !== 'struct') continue
    const [bits, signed] = inner[2]
    if (bits?.[1] === 'byte' && signed?.[1] === 'bool') return [bits[2], signed[2]]
  }
  return [physicalType === physical.int64 ? 64 : 32, true]
}
