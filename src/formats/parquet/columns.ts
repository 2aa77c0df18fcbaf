// The columns that MLCommons' DLIO generates: their place in the schema, and how their values are stored. Pure. Layout: README.md.
import { ConfigError } from '../../errors.js'
import type { FileSpec } from '../types.js'
import type { ThriftField } from './thrift.js'

/** Numbers of `parquet.thrift`. */
export const physical = { boolean: 0, int32: 1, int64: 2, float: 4, double: 5, byteArray: 6, fixedBytes: 7 } as const
const converted = { utf8: 0, list: 3, uint8: 11, uint16: 12, uint32: 13, uint64: 14, int8: 15, int16: 16 } as const
const logical = { string: 1, list: 3, integer: 10, float16: 15 } as const
const optional = 1
const repeated = 2

/** How values become bytes of a page. */
export type Storage =
  /** Whole random bytes as they are: numbers as wide as they are stored. */
  | { readonly kind: 'plain'; readonly valueBytes: number }
  /** Random bytes as indices of a dictionary of all 256 values: one byte a value, as pyarrow stores random uint8. */
  | { readonly kind: 'dictionary' }
  /** Narrow integers in 32 bits. */
  | { readonly kind: 'widened'; readonly sourceBytes: 1 | 2; readonly signed: boolean }
  /** A bit a value. */
  | { readonly kind: 'bits' }
  /** Random bytes behind their length. */
  | { readonly kind: 'bytes'; readonly length: number }
  /** `s_` and a random number below 2^31, behind its length. */
  | { readonly kind: 'text' }

export interface Column {
  readonly name: string
  readonly physicalType: number
  readonly storage: Storage
  /** Values of a row in a list of fixed length; undefined for a single value. */
  readonly listSize: number | undefined
  /** Fields of the leaf's schema element behind its name. */
  readonly annotations: readonly ThriftField[]
}

interface Leaf {
  readonly physicalType: number
  readonly storage: Storage
  readonly annotations?: readonly ThriftField[]
  readonly typeLength?: number
}

const integer = (convertedType: number, bits: number, signed: boolean): readonly ThriftField[] => [
  [6, 'i32', convertedType],
  [
    10,
    'struct',
    [
      [
        logical.integer,
        'struct',
        [
          [1, 'byte', bits],
          [2, 'bool', signed],
        ],
      ],
    ],
  ],
]

const numbers: Readonly<Record<string, Leaf>> = {
  uint8: { physicalType: physical.int32, storage: { kind: 'dictionary' }, annotations: integer(converted.uint8, 8, false) },
  int8: {
    physicalType: physical.int32,
    storage: { kind: 'widened', sourceBytes: 1, signed: true },
    annotations: integer(converted.int8, 8, true),
  },
  uint16: {
    physicalType: physical.int32,
    storage: { kind: 'widened', sourceBytes: 2, signed: false },
    annotations: integer(converted.uint16, 16, false),
  },
  int16: {
    physicalType: physical.int32,
    storage: { kind: 'widened', sourceBytes: 2, signed: true },
    annotations: integer(converted.int16, 16, true),
  },
  uint32: { physicalType: physical.int32, storage: { kind: 'plain', valueBytes: 4 }, annotations: integer(converted.uint32, 32, false) },
  int32: { physicalType: physical.int32, storage: { kind: 'plain', valueBytes: 4 } },
  uint64: { physicalType: physical.int64, storage: { kind: 'plain', valueBytes: 8 }, annotations: integer(converted.uint64, 64, false) },
  int64: { physicalType: physical.int64, storage: { kind: 'plain', valueBytes: 8 } },
  float16: {
    physicalType: physical.fixedBytes,
    storage: { kind: 'plain', valueBytes: 2 },
    typeLength: 2,
    annotations: [[10, 'struct', [[logical.float16, 'struct', []]]]],
  },
  float32: { physicalType: physical.float, storage: { kind: 'plain', valueBytes: 4 } },
  float64: { physicalType: physical.double, storage: { kind: 'plain', valueBytes: 8 } },
}

/** Columns of a file (DLIO `ParquetGenerator`): those configured, or one with the bytes of a sample. @throws ConfigError */
export function columnsOf(spec: FileSpec): Column[] {
  const configured = spec.parquet?.columns ?? []
  if (configured.length === 0) {
    // The bytes of a sample, whatever their type.
    const size = spec.dims.reduce((product, dim) => product * dim, 1)
    return [column('data', numbers.uint8!, size)]
  }
  const seen = new Set<string>()
  return configured.map(({ name, dtype, size }) => {
    if (seen.has(name)) throw new ConfigError(`dataset.parquet.columns: two columns are called ${name}`)
    seen.add(name)
    if (dtype === 'bool') return column(name, { physicalType: physical.boolean, storage: { kind: 'bits' } }, undefined)
    if (dtype === 'binary') return column(name, { physicalType: physical.byteArray, storage: { kind: 'bytes', length: size } }, undefined)
    if (dtype === 'string') {
      const annotations: readonly ThriftField[] = [
        [6, 'i32', converted.utf8],
        [10, 'struct', [[logical.string, 'struct', []]]],
      ]
      return column(name, { physicalType: physical.byteArray, storage: { kind: 'text' }, annotations }, undefined)
    }
    // `list`, and any name that is not known, are lists of float32.
    const leaf = numbers[dtype]
    return leaf === undefined ? column(name, numbers.float32!, size) : column(name, leaf, size === 1 ? undefined : size)
  })
}

function column(name: string, { physicalType, storage, annotations = [], typeLength }: Leaf, listSize: number | undefined): Column {
  if (listSize !== undefined && !(listSize >= 1 && listSize < 2 ** 28))
    throw new ConfigError(`parquet column ${name} of ${listSize} values a row is not possible: lists have 1 to 2^28 values`)
  return {
    name,
    physicalType,
    storage,
    listSize,
    annotations: typeLength === undefined ? annotations : [[2, 'i32', typeLength], ...annotations],
  }
}

/** Names from the root to the leaf. */
export const pathOf = ({ name, listSize }: Column): string[] => (listSize === undefined ? [name] : [name, 'list', 'element'])

/** The schema, depth first: a root, then for each column its leaf, or the three levels of a list. */
export function schemaElements(columns: readonly Column[]): (readonly ThriftField[])[] {
  const elements: (readonly ThriftField[])[] = [
    [
      [4, 'text', 'schema'],
      [5, 'i32', columns.length],
    ],
  ]
  for (const { name, physicalType, listSize, annotations } of columns) {
    const leaf = (leafName: string): readonly ThriftField[] =>
      inOrder([[1, 'i32', physicalType], [3, 'i32', optional], [4, 'text', leafName], ...annotations])
    if (listSize === undefined) {
      elements.push(leaf(name))
      continue
    }
    const list: readonly ThriftField[] = [
      [6, 'i32', converted.list],
      [10, 'struct', [[logical.list, 'struct', []]]],
    ]
    elements.push([[3, 'i32', optional], [4, 'text', name], [5, 'i32', 1], ...list])
    elements.push([
      [3, 'i32', repeated],
      [4, 'text', 'list'],
      [5, 'i32', 1],
    ])
    elements.push(leaf('element'))
  }
  return elements
}

const inOrder = (fields: readonly ThriftField[]): readonly ThriftField[] => [...fields].sort(([a], [b]) => a - b)
