// Fresh content for generated files: random, incompressible, never repeated, never zeros.
import { randomFillSync } from 'node:crypto'
import { ConfigError } from '../../errors.js'
import { type CrcKind, crcOf } from '../../formats/checksums.js'
import type { ContentSource } from '../../formats/types.js'
import { createKernel, createKernelMemory, type Kernel, stateBytes, strideBytes, type Transform } from './kernel.js'
import { mixerBytes, PageMixer } from './mixer.js'

/** Largest piece: fits the second-level cache together with what the kernel copies, and is few enough system calls. */
const pieceBytes = 256 * 1024
/** The memory: state, the mixer's pages, content for those who do not write it as it is, and the buffer of a file; each from a page of its own. */
const mixerBegin = 4096
const scratchBegin = mixerBegin + mixerBytes
const bufferBegin = scratchBegin + pieceBytes + 4096

/** How NumPy's element types are filled: integers take raw bits, floats need finite values. */
const transformOf: Readonly<Record<string, Transform>> = {
  uint8: 'raw',
  uint16: 'raw',
  uint32: 'raw',
  uint64: 'raw',
  int8: 'raw',
  int16: 'raw',
  int32: 'raw',
  int64: 'raw',
  float16: 'float16',
  float32: 'float32',
  float64: 'float64',
}

/** Transforms that commute with XOR: the XOR of two elements is an element of the same kind. */
const linear: ReadonlySet<Transform> = new Set(['raw', 'float16'])

/** Bytes of state that seed a source. */
export const seedBytes = stateBytes

/** A file that content can be made in. */
export interface ContentTarget {
  /** See `CompleteFile.reserve`; must be part of the source's `fileBuffer`. */
  reserve(maxBytes: number): Uint8Array | undefined
}

/** Random content. What `next` returns is valid until the next call. */
export class RandomContent implements ContentSource {
  readonly preferredBytes = pieceBytes
  /** Memory in which a file may gather what it writes, so that content is made in its place. */
  readonly fileBuffer: Uint8Array
  readonly #kernel: Kernel
  /** For elements that can be mixed; others come from the generator directly. */
  readonly #mixer: PageMixer | undefined
  #last: Uint8Array = new Uint8Array(0)
  #target: ContentTarget | undefined

  /**
   * Content of NumPy type `elementType`. Seeded by the operating system's entropy, so no two sources (threads, runs) share content; one
   * source goes on from file to file. `seed` (of {@link seedBytes} bytes, not all zero) repeats a source, for tests. Throws ConfigError
   * for element types that cannot be filled.
   */
  constructor(elementType: string, seed?: Uint8Array) {
    const transform = transformOf[elementType]
    if (transform === undefined)
      throw new ConfigError(
        `dataset.record_element_type: cannot generate elements of type '${elementType}'; use one of ${Object.keys(transformOf).join(', ')}`,
      )
    // One stride behind the buffer: filling ends on a whole stride.
    const kernel = createKernel(transform, createKernelMemory(bufferBegin + pieceBytes + strideBytes))
    this.#kernel = kernel
    this.fileBuffer = kernel.bytes.subarray(bufferBegin, bufferBegin + pieceBytes)
    const state = kernel.bytes.subarray(0, stateBytes)
    if (seed === undefined) randomFillSync(state)
    else state.set(seed)
    if (linear.has(transform)) this.#mixer = new PageMixer(kernel, mixerBegin, 0, pieceBytes)
  }

  /** From now on content is made where `target` wants it. */
  makeIn(target: ContentTarget): void {
    this.#target = target
  }

  next(maxBytes: number): Uint8Array {
    const { bytes, fill } = this.#kernel
    const piece = this.#target?.reserve(maxBytes) ?? bytes.subarray(scratchBegin, scratchBegin + Math.min(maxBytes, pieceBytes))
    this.#last = piece
    if (this.#mixer !== undefined) this.#mixer.make(piece.byteOffset, piece.length)
    else if (piece.length > 0) fill(piece.byteOffset, piece.byteOffset + Math.ceil(piece.length / strideBytes) * strideBytes, 0)
    return piece
  }

  checksum(kind: CrcKind, initial: number): number {
    return this.#mixer?.checksum(kind, initial, this.#last) ?? crcOf(kind, this.#last, initial)
  }
}
