// Fresh content for generated files: random, incompressible, never repeated, never zeros.
import { randomFillSync } from 'node:crypto'
import { ConfigError } from '../../errors.js'
import type { ContentSource } from '../../formats/types.js'
import { createKernel, stateBytes, strideBytes, type Transform } from './kernel.js'

/** Largest piece: fits the second-level cache together with what the kernel copies, and is few enough system calls. */
const pieceBytes = 256 * 1024
/** Small pieces are cut from this much made at once, so that a tiny sample does not pay for a call each. */
const smallBytes = 64 * 1024
/** Where content begins in the memory: behind the state, on a page of its own, so that it is good for any kind of write. */
const contentBegin = 4096

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

/**
 * A source of content of NumPy type `elementType`. Seeded by the operating system's entropy, so no two sources (threads, runs) share
 * content; one source goes on from file to file. `seed` (of {@link seedBytes} bytes, not all zero) repeats a source, for tests.
 * Throws ConfigError for element types that cannot be filled.
 */
export function createContentSource(elementType: string, seed?: Uint8Array): ContentSource {
  const transform = transformOf[elementType]
  if (transform === undefined)
    throw new ConfigError(
      `dataset.record_element_type: cannot generate elements of type '${elementType}'; use one of ${Object.keys(transformOf).join(', ')}`,
    )
  const { bytes, fill } = createKernel(transform, contentBegin + pieceBytes)
  const state = bytes.subarray(0, stateBytes)
  if (seed === undefined) randomFillSync(state)
  else state.set(seed)
  let begin = contentBegin
  let end = contentBegin
  return {
    preferredBytes: pieceBytes,
    next(maxBytes) {
      // Large requests never get the remainder of a small one: a few bytes would cost a write of their own.
      if (begin === end || maxBytes > smallBytes) {
        begin = contentBegin
        end = contentBegin + Math.min(pieceBytes, Math.max(smallBytes, maxBytes))
        fill(begin, contentBegin + Math.ceil((end - begin) / strideBytes) * strideBytes, 0)
      }
      const piece = bytes.subarray(begin, Math.min(end, begin + maxBytes))
      begin += piece.length
      return piece
    },
  }
}
