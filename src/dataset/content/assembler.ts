// A very small assembler: one exported function in WebAssembly's text notation, one instruction a line, to the bytes of a module.
// It exists so that the SIMD generator next door can be read and changed without a toolchain. Opcodes: WebAssembly 2.0 specification,
// "Binary format / Instructions" (vector instructions have the prefix 0xfd).

/** Opcode bytes of an instruction and what follows it in the text. */
interface Instruction {
  readonly opcode: readonly number[]
  readonly operand: 'none' | 'local' | 'i32' | 'address' | 'i32x4' | 'label' | 'block'
}

const vector = (opcode: number, operand: Instruction['operand'] = 'none'): Instruction => ({ opcode: [0xfd, ...unsigned(opcode)], operand })
const scalar = (opcode: number, operand: Instruction['operand'] = 'none'): Instruction => ({ opcode: [opcode], operand })

const instructions: Readonly<Record<string, Instruction>> = {
  loop: scalar(0x03, 'block'),
  end: scalar(0x0b),
  br_if: scalar(0x0d, 'label'),
  'local.get': scalar(0x20, 'local'),
  'local.set': scalar(0x21, 'local'),
  'local.tee': scalar(0x22, 'local'),
  'i32.const': scalar(0x41, 'i32'),
  'i32.lt_u': scalar(0x49),
  'i32.add': scalar(0x6a),
  'v128.load': vector(0x00, 'address'),
  'v128.store': vector(0x0b, 'address'),
  'v128.const': vector(0x0c, 'i32x4'),
  'v128.and': vector(0x4e),
  'v128.or': vector(0x50),
  'v128.xor': vector(0x51),
  'i32x4.shr_u': vector(0xad),
  'i64x2.shl': vector(0xcb),
  'i64x2.shr_u': vector(0xcd),
  'i64x2.add': vector(0xce),
  'f32x4.mul': vector(0xe6),
  'f32x4.convert_i32x4_s': vector(0xfa),
  'f64x2.sub': vector(0xf1),
}

const typeByte = { i32: 0x7f, v128: 0x7b } as const

export interface FunctionSource {
  /** Name of the export; the module imports its memory as `env.memory`. */
  readonly name: string
  /** All i32, in order. */
  readonly params: readonly string[]
  readonly locals: Readonly<Record<string, keyof typeof typeByte>>
  /** One instruction a line; `;;` starts a comment. */
  readonly body: string
  /** Pages of 64 KiB that the imported memory has. */
  readonly memoryPages: number
}

/** Bytes of a WebAssembly module with the one function. Throws on text that it does not know: that is a defect of this program. */
export function assemble(source: FunctionSource): Uint8Array {
  const localNames = [...source.params, ...Object.keys(source.locals)]
  const code = source.body.split('\n').flatMap((line, i) => encodeLine(line, i + 1, localNames))
  const declarations = Object.values(source.locals).flatMap((type) => [1, typeByte[type]])
  const body = [...unsigned(Object.keys(source.locals).length), ...declarations, ...code, 0x0b]
  const pages = unsigned(source.memoryPages)
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version 1
    ...section(1, [1, 0x60, ...unsigned(source.params.length), ...source.params.map(() => typeByte.i32), 0]),
    ...section(2, [1, ...text('env'), ...text('memory'), 0x02, 0x01, ...pages, ...pages]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text(source.name), 0x00, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ])
}

function encodeLine(line: string, lineNumber: number, localNames: readonly string[]): number[] {
  const [mnemonic, ...operands] = line.replace(/;;.*/, '').trim().split(/\s+/) as [string, ...string[]]
  if (mnemonic === '') return []
  const instruction = instructions[mnemonic]
  if (instruction === undefined) throw new Error(`line ${lineNumber}: unknown instruction ${mnemonic}`)
  return [...instruction.opcode, ...encodeOperand(instruction.operand, operands, lineNumber, localNames)]
}

function encodeOperand(
  kind: Instruction['operand'],
  operands: readonly string[],
  lineNumber: number,
  localNames: readonly string[],
): number[] {
  const number = (i: number): number => {
    const value = Number(operands[i])
    if (operands[i] === undefined || !Number.isInteger(value)) throw new Error(`line ${lineNumber}: operand ${i + 1} must be an integer`)
    return value
  }
  switch (kind) {
    case 'none':
      return []
    case 'block':
      return [0x40] // no result
    case 'label':
      return unsigned(number(0))
    case 'i32':
      return signed(number(0))
    case 'address':
      return [0, ...unsigned(operands.length === 0 ? 0 : number(0))] // any alignment, byte offset
    case 'i32x4':
      return [0, 1, 2, 3].flatMap((i) => [number(i) & 0xff, (number(i) >>> 8) & 0xff, (number(i) >>> 16) & 0xff, number(i) >>> 24])
    case 'local': {
      const index = localNames.indexOf(operands[0] ?? '')
      if (index < 0) throw new Error(`line ${lineNumber}: unknown local ${operands[0]}`)
      return unsigned(index)
    }
  }
}

const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content]

const text = (value: string): number[] => [...unsigned(value.length), ...Buffer.from(value, 'latin1')]

/** LEB128, unsigned. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest]
    bytes.push((rest & 0x7f) | 0x80)
  }
}

/** LEB128, signed. */
function signed(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7) {
    const last = rest >= -0x40 && rest < 0x40
    bytes.push((rest & 0x7f) | (last ? 0 : 0x80))
    if (last) return bytes
  }
}
