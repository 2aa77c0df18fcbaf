// Writes indexed binaries as DLIO's generator means them: samples back to back, and both indexes. Layout: README.md.
import { appendContent, checkedType } from '../content.js'
import { setU64 } from '../little-endian.js'
import type { ContentSource, FileSpec, FormatWriter, OutputFile, SideOutput } from '../types.js'
import { entryBytes } from './layout.js'

/** Entries of an index that are handed on at once. */
const pieceEntries = 4096

export const indexedBinaryWriter: FormatWriter = {
  sizeBytes(spec: FileSpec): number {
    return checkedType(spec, 'an indexed binary').sampleBytes * spec.samples
  },

  write(spec: FileSpec, content: ContentSource, out: OutputFile, side: SideOutput): void {
    const { sampleBytes } = checkedType(spec, 'an indexed binary')
    const offsets = new DataView(new ArrayBuffer(pieceEntries * entryBytes))
    const sizes = new DataView(new ArrayBuffer(pieceEntries * entryBytes))
    for (let i = 0; i < pieceEntries; i++) setU64(sizes, i * entryBytes, sampleBytes)
    for (let begin = 0; begin < spec.samples; begin += pieceEntries) {
      const count = Math.min(pieceEntries, spec.samples - begin)
      for (let i = 0; i < count; i++) setU64(offsets, i * entryBytes, (begin + i) * sampleBytes)
      side('offsets', new Uint8Array(offsets.buffer, 0, count * entryBytes))
      side('sizes', new Uint8Array(sizes.buffer, 0, count * entryBytes))
    }
    appendContent(content, sampleBytes * spec.samples, (piece) => out.append(piece))
  },
}
