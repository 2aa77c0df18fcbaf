// Element types: NumPy's names (`float32`, as configurations say them) and type strings (`<f4`, as .npy headers say them).

/** A fixed-size element type. */
export interface ElementType {
  /** NumPy's name, for example `uint8`, without byte order. */
  readonly name: string
  /** NumPy's type string, for example `|u1`, `<f4`, `>i8`. */
  readonly descr: string
  readonly kind: 'b' | 'i' | 'u' | 'f' | 'c'
  readonly itemBytes: number
  readonly bigEndian: boolean
}

const kindNames = { b: 'bool', i: 'int', u: 'uint', f: 'float', c: 'complex' } as const
const itemSizes = { b: [1], i: [1, 2, 4, 8], u: [1, 2, 4, 8], f: [2, 4, 8], c: [8, 16] } as const

const byDescr = new Map<string, ElementType>()
const byName = new Map<string, ElementType>()
for (const kind of ['b', 'i', 'u', 'f', 'c'] as const)
  for (const itemBytes of itemSizes[kind]) {
    const name = kind === 'b' ? 'bool' : `${kindNames[kind]}${8 * itemBytes}`
    for (const order of itemBytes === 1 ? ['|'] : ['<', '>']) {
      const type: ElementType = { name, descr: `${order}${kind}${itemBytes}`, kind, itemBytes, bigEndian: order === '>' }
      byDescr.set(type.descr, type)
      if (!byName.has(name)) byName.set(name, type)
    }
  }

/** The little-endian element type of NumPy's name `name` (`uint8`, `float32`, …), undefined where it is no fixed-size number. */
export function elementTypeByName(name: string): ElementType | undefined {
  return byName.get(name)
}

/** The element type of a type string from an .npy header; undefined for objects, strings, dates and structured types. */
export function elementTypeByDescr(descr: string): ElementType | undefined {
  // NumPy reads any byte order mark before a one-byte type; it writes '|'.
  return byDescr.get(descr) ?? (/^[<>=][biu]1$/.test(descr) ? byDescr.get(`|${descr.slice(1)}`) : undefined)
}

/** All names that {@link elementTypeByName} knows, for messages. */
export function elementTypeNames(): readonly string[] {
  return [...byName.keys()]
}
