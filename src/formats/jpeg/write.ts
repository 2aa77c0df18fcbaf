// Writes the JPEG files that DLIO's generator makes through Pillow: one grey image of noise. Layout: README.md.
import { appendContent } from '../content.js'
import { imageSize, writeRaw } from '../image/spec.js'
import type { ContentSource, FileSpec, FormatWriter, OutputFile } from '../types.js'
import { encodeGreyJpeg } from './library.js'

/** libjpeg's `JPEG_MAX_DIMENSION`. */
const maxSide = 65_500

export const jpegWriter: FormatWriter = {
  /** Of encoded images the size depends on the content. */
  sizeBytes(spec: FileSpec): number | undefined {
    const { height, width } = imageSize(spec, 'jpeg', maxSide)
    return spec.rawImages ? height * width : undefined
  },

  write(spec: FileSpec, content: ContentSource, out: OutputFile): void | Promise<void> {
    const size = imageSize(spec, 'jpeg', maxSide)
    if (!spec.rawImages) return writeEncoded(size, content, out)
    writeRaw(size, content, out)
  },
}

async function writeEncoded({ height, width }: { height: number; width: number }, content: ContentSource, out: OutputFile): Promise<void> {
  const pixels = new Uint8Array(height * width)
  let filled = 0
  appendContent(content, pixels.length, (piece) => {
    pixels.set(piece, filled)
    filled += piece.length
  })
  for (const part of await encodeGreyJpeg(pixels, width, height)) out.append(part)
}
