// Writes the PNG files that DLIO's generator makes through Pillow: one grey image of noise. Layout: README.md.
import { crc32 } from '../checksums.js'
import { appendContent } from '../content.js'
import { type ImageSize, imageSize, writeRaw } from '../image/spec.js'
import type { ContentSource, FileSpec, FormatWriter, OutputFile } from '../types.js'
import { chunkFrameBytes, headerDataBytes, maxPngNumber, pngSignature } from './layout.js'

/** Pillow's pieces of image data (`ImageFile.MAXBLOCK`). */
const chunkDataBytes = 65_536
/** Longest stored block of deflate, and its header. */
const blockBytes = 65_535
const blockHeaderBytes = 5

/** Noise does not deflate: zlib would end in stored blocks after much work, so they are written straight away. */
function streamBytes({ height, width }: ImageSize): number {
  const rowsBytes = height * (1 + width)
  return 2 + rowsBytes + Math.ceil(rowsBytes / blockBytes) * blockHeaderBytes + 4
}

export const pngWriter: FormatWriter = {
  sizeBytes(spec: FileSpec): number {
    const size = imageSize(spec, 'png', maxPngNumber)
    if (spec.rawImages) return size.height * size.width
    const stream = streamBytes(size)
    const frames = chunkFrameBytes * (2 + Math.ceil(stream / chunkDataBytes))
    return pngSignature.length + headerDataBytes + stream + frames
  },

  write(spec: FileSpec, content: ContentSource, out: OutputFile): void {
    const size = imageSize(spec, 'png', maxPngNumber)
    if (spec.rawImages) writeRaw(size, content, out)
    else writeImage(size, content, out)
  },
}

function writeImage(size: ImageSize, content: ContentSource, out: OutputFile): void {
  out.append(Uint8Array.from(pngSignature))
  const header = new Uint8Array(headerDataBytes)
  const view = new DataView(header.buffer)
  view.setUint32(0, size.width)
  view.setUint32(4, size.height)
  header[8] = 8 // bits a pixel; colour type 0, deflate, no interlace
  appendChunk(out, 'IHDR', header)
  writeImageData(size, content, out)
  appendChunk(out, 'IEND', new Uint8Array(0))
}

function writeImageData(size: ImageSize, content: ContentSource, out: OutputFile): void {
  const chunks = new ImageDataChunks(out)
  chunks.push(Uint8Array.of(0x78, 0x9c)) // zlib, window of 32 KiB, default level
  const blocks = new StoredBlocks(size.height * (1 + size.width), chunks)
  const noFilter = Uint8Array.of(0)
  for (let row = 0; row < size.height; row++) {
    blocks.push(noFilter)
    appendContent(content, size.width, (piece) => blocks.push(piece))
  }
  const checksum = new Uint8Array(4)
  new DataView(checksum.buffer).setUint32(0, blocks.adler32)
  chunks.push(checksum)
  chunks.end()
}

/** Cuts bytes into stored blocks of deflate, with zlib's checksum of them. */
class StoredBlocks {
  #a = 1
  #b = 0
  #leftInBlock = 0

  constructor(
    private left: number,
    private readonly to: ImageDataChunks,
  ) {}

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#leftInBlock === 0) this.#beginBlock()
      const part = bytes.subarray(at, at + Math.min(this.#leftInBlock, bytes.length - at))
      this.#sum(part)
      this.to.push(part)
      this.#leftInBlock -= part.length
      this.left -= part.length
      at += part.length
    }
  }

  get adler32(): number {
    return this.#b * 65_536 + this.#a
  }

  #beginBlock(): void {
    const length = Math.min(blockBytes, this.left)
    this.#leftInBlock = length
    const isLast = length === this.left ? 1 : 0
    this.to.push(Uint8Array.of(isLast, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255))
  }

  /** RFC 1950; sums over 1900 bytes stay below 2^31. */
  #sum(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 1900)
      for (; at < end; at++) {
        this.#a += bytes[at]!
        this.#b += this.#a
      }
      this.#a %= 65_521
      this.#b %= 65_521
    }
  }
}

/** Gathers bytes into IDAT chunks. */
class ImageDataChunks {
  readonly #data = new Uint8Array(chunkDataBytes)
  #filled = 0

  constructor(private readonly out: OutputFile) {}

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + Math.min(chunkDataBytes - this.#filled, bytes.length - at))
      this.#data.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled === chunkDataBytes) this.end()
    }
  }

  end(): void {
    if (this.#filled > 0) appendChunk(this.out, 'IDAT', this.#data.subarray(0, this.#filled))
    this.#filled = 0
  }
}

function appendChunk(out: OutputFile, type: string, data: Uint8Array): void {
  const begin = new Uint8Array(8)
  new DataView(begin.buffer).setUint32(0, data.length)
  begin.set(Buffer.from(type, 'latin1'), 4)
  const end = new Uint8Array(4)
  new DataView(end.buffer).setUint32(0, crc32(data, crc32(begin.subarray(4))))
  out.append(begin)
  out.append(data)
  out.append(end)
}
