// Writes the .npy files that DLIO's generator makes through `np.save`: a header and the array. Layout: README.md.
import { appendContent, checkedType } from '../content.js'
import type { ContentSource, FileSpec, FormatWriter, OutputFile } from '../types.js'
import { encodeNpyHeader } from './layout.js'

function partsOf(spec: FileSpec): { readonly header: Uint8Array; readonly dataBytes: number } {
  const { type, sampleBytes } = checkedType(spec, 'an .npy file')
  return { header: encodeNpyHeader(type, [...spec.dims, spec.samples]), dataBytes: sampleBytes * spec.samples }
}

export const npyWriter: FormatWriter = {
  sizeBytes(spec: FileSpec): number {
    const { header, dataBytes } = partsOf(spec)
    return header.length + dataBytes
  },

  write(spec: FileSpec, content: ContentSource, out: OutputFile): void {
    const { header, dataBytes } = partsOf(spec)
    out.append(header)
    appendContent(content, dataBytes, (piece) => out.append(piece))
  },
}
