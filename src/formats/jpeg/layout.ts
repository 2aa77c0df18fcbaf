// The framing of JPEG files: marker segments up to the scan, coded data, an end marker. Layout: ITU-T T.81 annex B, README.md.
import { DataError } from '../../errors.js'
import type { Io } from '../../storage/types.js'
import type { ImageCodec, ImageHeader } from '../image/codec.js'
import type { SequentialSource } from '../sequential.js'

/** Start of image, and the byte that every marker begins with. */
const jpegSignature = [0xff, 0xd8, 0xff] as const
const endOfImage = 0xd9
const startOfScan = 0xda

export interface JpegHeader extends ImageHeader {
  readonly components: number
}

/** Where the end marker may lie: bytes behind it belong to no image, but occur. */
const tailBytes = 4096

/** Frame headers are SOF0 to SOF15, but for three codes that mean tables and arithmetic coding (table B.1). */
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
/** TEM and restart markers have no segment. */
const isAlone = (marker: number) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)

/** Follows the segments to the first scan, then reads on to the end of the file, where the end marker must be. @throws DataError */
function* walkJpeg(source: SequentialSource): Io<JpegHeader> {
  const header = yield* walkToScan(source)
  yield* passScans(source)
  return header
}

export const jpegCodec: ImageCodec = { name: 'jpeg', signature: jpegSignature, walk: (source) => walkJpeg(source) }

function* walkToScan(source: SequentialSource): Io<JpegHeader> {
  const { uri } = source
  yield* source.take(2, 'its first marker')
  let header: JpegHeader | undefined
  for (;;) {
    const at = source.position
    const marker = yield* takeMarker(source)
    if (isAlone(marker)) continue
    const what = `segment ff${marker.toString(16).padStart(2, '0')}`
    if (marker === 0xd8 || marker === endOfImage || marker === 0)
      throw new DataError(uri, `has no image before its marker ff${marker.toString(16).padStart(2, '0')}`, at)
    const byteLength = u16be(yield* source.take(2, what), 0)
    if (byteLength < 2) throw new DataError(uri, `says that ${what} has ${byteLength} bytes, its own length included`, at)
    if (isFrame(marker)) {
      if (header !== undefined) throw new DataError(uri, `has a second frame, ${what}`, at)
      header = parseFrame(uri, yield* source.take(byteLength - 2, what), at)
    } else yield* source.pass(byteLength - 2, what)
    if (marker !== startOfScan) continue
    if (header === undefined) throw new DataError(uri, 'begins its coded data before any frame header', at)
    return header
  }
}

/** The code of the next marker, which any number of bytes ff may come before. */
function* takeMarker(source: SequentialSource): Io<number> {
  const at = source.position
  let byte = yield* source.byte('a marker')
  if (byte !== 0xff)
    throw new DataError(source.uri, `has 0x${byte.toString(16).padStart(2, '0')} where a marker is due: damaged, or foreign bytes`, at)
  while (byte === 0xff) byte = yield* source.byte('a marker')
  return byte
}

function parseFrame(uri: string, bytes: Uint8Array, at: number): JpegHeader {
  const components = bytes[5]
  if (components === undefined || components < 1 || bytes.length !== 6 + 3 * components)
    throw new DataError(uri, `has a frame header of ${bytes.length + 2} bytes for ${components ?? 'no'} components`, at)
  const [height, width] = [u16be(bytes, 1), u16be(bytes, 3)]
  if (height === 0 || width === 0) throw new DataError(uri, `has a frame of ${height} × ${width} pixels`, at)
  return { height, width, components }
}

/** Coded data never hold an end marker, so one near the end of the file is the image's. */
function* passScans(source: SequentialSource): Io<void> {
  const tail = new Uint8Array(tailBytes)
  let filled = 0
  yield* source.passRest((bytes, begin, end) => {
    const n = Math.min(tailBytes, end - begin)
    const keep = Math.min(filled, tailBytes - n)
    tail.copyWithin(0, filled - keep, filled)
    tail.set(bytes.subarray(end - n, end), keep)
    filled = keep + n
  })
  for (let i = filled - 2; i >= 0; i--) if (tail[i] === 0xff && tail[i + 1] === endOfImage) return
  throw new DataError(
    source.uri,
    `is truncated: there is no end marker ffd9 in the last ${filled} bytes of its coded data`,
    source.position,
  )
}

const u16be = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!
