// Fresh content for generated files: random, incompressible, never repeated, never zeros.
import { randomFillSync } from 'node:crypto'
import { ConfigError } from '../../errors.js'
import type { ContentSource } from '../../formats/types.js'
import { createKernel, createKernelMemory, type Fill, stateBytes, strideBytes, type Transform } from './kernel.js'

/** Largest piece: fits the second-level cache together with what the kernel copies, and is few enough system calls. */
const pieceBytes = 256 * 1024
/** The memory: state, content for those who do not write it as it is, and the buffer of a file; each from a page of its own. */
const scratchBegin = 4096
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
  readonly #bytes: Uint8Array
  readonly #fill: Fill
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
    const { bytes, fill } = createKernel(transform, createKernelMemory(bufferBegin + pieceBytes + strideBytes))
    this.#bytes = bytes
    this.#fill = fill
    this.fileBuffer = bytes.subarray(bufferBegin, bufferBegin + pieceBytes)
    const state = bytes.subarray(0, stateBytes)
    if (seed === undefined) randomFillSync(state)
    else state.set(seed)
  }

  /** From now on content is made where `target` wants it. */
  makeIn(target: ContentTarget): void {
    this.#target = target
  }

  next(maxBytes: number): Uint8Array {
    const piece = this.#target?.reserve(maxBytes) ?? this.#bytes.subarray(scratchBegin, scratchBegin + Math.min(maxBytes, pieceBytes))
    const strides = Math.ceil(piece.length / strideBytes)
    if (strides > 0) this.#fill(piece.byteOffset, piece.byteOffset + strides * strideBytes, 0)
    return piece
  }
}
