// What writers of several formats have in common: sizes that can be written at all, and content piece by piece.
import { ConfigError } from '../errors.js'
import { type ElementType, elementTypeByName, elementTypeNames } from './dtype.js'
import type { ContentSource, FileSpec } from './types.js'

/** The element type of a file and the bytes of one sample. `file` names the kind of file. @throws ConfigError where there can be none */
export function checkedType(spec: FileSpec, file: string): { readonly type: ElementType; readonly sampleBytes: number } {
  const type = elementTypeByName(spec.elementType)
  if (type === undefined)
    throw new ConfigError(
      `record_element_type ${spec.elementType} cannot be written to ${file}; one of ${elementTypeNames().join(', ')} can`,
    )
  const sampleBytes = spec.dims.reduce((product, n) => product * n, type.itemBytes)
  if (![...spec.dims, spec.samples].every((n) => Number.isInteger(n) && n >= 0) || !Number.isSafeInteger(sampleBytes * spec.samples))
    throw new ConfigError(`${file} cannot hold ${spec.samples} samples of shape (${spec.dims.join(', ')}): impossible numbers`)
  return { type, sampleBytes }
}

/** Gives `byteLength` bytes of new content to `use`, in pieces that are valid only during the call. */
export function appendContent(content: ContentSource, byteLength: number, use: (piece: Uint8Array) => void): void {
  for (let left = byteLength; left > 0; ) {
    const piece = content.next(left)
    if (piece.length === 0 || piece.length > left)
      throw new RangeError(`content source gave ${piece.length} bytes where at most ${left} were asked`)
    use(piece)
    left -= piece.length
  }
}
