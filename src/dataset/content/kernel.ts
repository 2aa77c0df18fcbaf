// The generator of content: eight xoroshiro128+ generators side by side in WebAssembly SIMD, four vectors of two 64-bit lanes.
// A loop in JavaScript makes about 1 GB/s; storage takes several, and the generator must not be what is measured.
// Algorithm: Blackman, Vigna, "Scrambled linear pseudorandom number generators" (2021), xoroshiro128+ with 24, 16, 37. Its lowest bits
// are too regular for simulations (they fail tests of linearity), which no compressor and no deduplication sees; xoroshiro128++ costs half as much again.
import { assemble, type FunctionSource } from './assembler.js'

/** What is made of the raw bits, element by element. */
export type Transform = 'raw' | 'float32' | 'float64' | 'float16'

/** Vectors whose generators are independent, so that the processor always has something to do. */
const vectors = 4
/** Bytes made by one turn of the loop. */
export const strideBytes = vectors * 16
/** Bytes of state: two vectors of state words each. */
export const stateBytes = vectors * 32

/** `vector = rotate left (vector, bits)`, applied to the top of the stack by way of `scratch`. */
const rotateLeft = (bits: number): string => `
  local.tee scratch
  i32.const ${bits}
  i64x2.shl
  local.get scratch
  i32.const ${64 - bits}
  i64x2.shr_u
  v128.or`

/** Raw bits on the stack → elements on the stack. */
const transforms: Readonly<Record<Transform, string>> = {
  raw: '',
  // NumPy's own: the upper 24 bits times 2^-24 (next_float).
  float32: `
  i32.const 8
  i32x4.shr_u
  f32x4.convert_i32x4_s
  v128.const ${'0x33800000 '.repeat(4)}
  f32x4.mul`,
  // 52 bits as the fraction of a number in [1, 2), minus 1: there is no conversion of 64-bit integers in SIMD.
  float64: `
  i32.const 12
  i64x2.shr_u
  v128.const 0 0x3ff00000 0 0x3ff00000
  v128.or
  v128.const 0 0x3ff00000 0 0x3ff00000
  f64x2.sub`,
  // Any finite number of magnitude below 2: the highest exponent bit is cleared.
  float16: `
  v128.const ${'0xbfffbfff '.repeat(4)}
  v128.and`,
}

const perVector = (text: (v: number) => string): string => Array.from({ length: vectors }, (_, v) => text(v)).join('')

/** Text of `fill(begin, end, state)`: fills [begin, end), a multiple of `strideBytes`, and leaves the state where the next call goes on. */
const fillBody = (transform: Transform): string => `
${perVector(
  (v) => `
  local.get state
  v128.load ${v * 32}
  local.set a${v}
  local.get state
  v128.load ${v * 32 + 16}
  local.set b${v}`,
)}
  loop
${perVector(
  (v) => `
  ;; store a + b
  local.get begin
  local.get a${v}
  local.get b${v}
  i64x2.add
  ${transforms[transform]}
  v128.store ${v * 16}
  ;; b ^= a
  local.get b${v}
  local.get a${v}
  v128.xor
  local.set b${v}
  ;; a = rotl(a, 24) ^ b ^ (b << 16)
  local.get a${v}
  ${rotateLeft(24)}
  local.get b${v}
  v128.xor
  local.get b${v}
  i32.const 16
  i64x2.shl
  v128.xor
  local.set a${v}
  ;; b = rotl(b, 37)
  local.get b${v}
  ${rotateLeft(37)}
  local.set b${v}`,
)}
  local.get begin
  i32.const ${strideBytes}
  i32.add
  local.tee begin
  local.get end
  i32.lt_u
  br_if 0
  end
${perVector(
  (v) => `
  local.get state
  local.get a${v}
  v128.store ${v * 32}
  local.get state
  local.get b${v}
  v128.store ${v * 32 + 16}`,
)}
`

/** Text of `mix(begin, end, a, b)`: [begin, end), a multiple of `strideBytes`, becomes the XOR of as many bytes from a and from b. */
const mixBody = `
  loop
${perVector(
  (v) => `
  local.get begin
  local.get a
  v128.load ${v * 16}
  local.get b
  v128.load ${v * 16}
  v128.xor
  v128.store ${v * 16}`,
)}
${['a', 'b']
  .map(
    (pointer) => `
  local.get ${pointer}
  i32.const ${strideBytes}
  i32.add
  local.set ${pointer}`,
  )
  .join('')}
  local.get begin
  i32.const ${strideBytes}
  i32.add
  local.tee begin
  local.get end
  i32.lt_u
  br_if 0
  end
`

const wasmPageBytes = 65_536

export type KernelMemory = InstanceType<typeof WebAssembly.Memory>

/** Page-aligned memory that kernels can work in. */
export function createKernelMemory(memoryBytes: number): KernelMemory {
  const memoryPages = Math.ceil(memoryBytes / wasmPageBytes)
  return new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages, shared: false })
}

/** Makes bytes [begin, end) with the generators at `state`; `end − begin` must be a positive multiple of {@link strideBytes}. */
export type Fill = (begin: number, end: number, state: number) => void

/** Page-aligned memory and what works in it. */
export interface Kernel {
  readonly bytes: Uint8Array
  readonly fill: Fill
  /** Makes bytes [begin, end) the XOR of those at `a` and at `b`; `end − begin` must be a positive multiple of {@link strideBytes}. */
  readonly mix: (begin: number, end: number, a: number, b: number) => void
}

/** What works in `memory`. Several may share one, each with a state of its own. */
export function createKernel(transform: Transform, memory: KernelMemory): Kernel {
  const memoryPages = memory.buffer.byteLength / wasmPageBytes
  const build = (name: string, params: readonly string[], locals: FunctionSource['locals'], text: string): unknown => {
    const module = new WebAssembly.Module(assemble({ name, params, locals, body: text, memoryPages }))
    return new WebAssembly.Instance(module, { env: { memory } }).exports[name]
  }
  const stateNames = Array.from({ length: vectors }, (_, v) => [`a${v}`, `b${v}`]).flat()
  const vectorLocals = Object.fromEntries(['scratch', ...stateNames].map((name) => [name, 'v128' as const]))
  return {
    bytes: new Uint8Array(memory.buffer),
    fill: build('fill', ['begin', 'end', 'state'], vectorLocals, fillBody(transform)) as Fill,
    mix: build('mix', ['begin', 'end', 'a', 'b'], {}, mixBody) as Kernel['mix'],
  }
}
